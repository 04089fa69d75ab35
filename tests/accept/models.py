"""What the server under test is configured with: a model for each upstream dialect, named after it."""
DIALECTS = ["chat", "responses", "messages", "converse", "gemini"]
# By its name a dialect knows what a model takes; where nothing is said, the newest is taken for granted.
UPSTREAM = {"messages": "claude-sonnet-4-5", "gemini": "gemini-3-pro-preview",
            "converse": "anthropic.claude-sonnet-4-5-20250929-v1:0"}
CONFIG = """
providers:
  - {{name: chat, base_url: '{url}/v1', api_key: env:KEY}}
  - {{name: responses, base_url: '{url}/v1', dialect: responses, api_key: env:KEY, variant: {{input_tokens: true}}}}
  - {{name: messages, supplier: anthropic, base_url: '{url}/v1', api_key: env:KEY}}
  - {{name: converse, base_url: '{url}', dialect: converse, aws: {{bearer: env:KEY}}}}
  - {{name: gemini, supplier: google, base_url: '{url}/v1beta', api_key: env:KEY}}
models:
"""
