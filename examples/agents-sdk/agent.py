import asyncio
import os

from agents import Agent, OpenAIProvider, RunConfig, Runner, function_tool, set_tracing_disabled

set_tracing_disabled(True)  # traces would go to OpenAI
config = RunConfig(model_provider=OpenAIProvider(
    base_url=os.environ.get("PERDURE_URL", "http://127.0.0.1:8080") + "/v1",
    api_key=os.environ.get("PERDURE_API_KEY", "none"),
))


@function_tool
def get_weather(location: str) -> str:
    """The weather in a city"""
    return f"18 degrees in {location}"


agent = Agent(name="Helper", instructions="Be brief.", tools=[get_weather],
              model=os.environ.get("PERDURE_MODEL", "simulated-1"))


async def main():
    # Two calls at once, each of them run here; the answer is made of both.
    first = await Runner.run(agent, "What's the weather like in Paris and in Rome?", run_config=config)
    print(first.final_output)
    # The conversation is the server's: a later run, also in another process, names the last response.
    second = await Runner.run(agent, "And what's the weather like in Oslo?", run_config=config,
                              previous_response_id=first.last_response_id)
    print(second.final_output)
    print(len(second.to_input_list()), "items were sent or received in the second run")


asyncio.run(main())
