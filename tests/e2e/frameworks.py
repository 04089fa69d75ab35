"""Clients that nobody here wrote, behind one face: the official SDKs with the loops that they bring, and the frameworks that
agents are built with. What a client cannot do it has no method for.

    text(said) -> {"text"}                        a whole answer
    stream(said) -> {"pieces"}                    the same as it comes
    tools(said, degrees) -> {"asked", "text"}     its own loop: get_weather(location) answers from `degrees`
    structured(said) -> {"value"}                 a person: name and age
    image(said, png) -> {"text"}
    turns(turns, degrees) -> {"texts", "asked"}   a history that the client holds; chained: one that the server holds

What an SDK raises for a reply is {"failed", "status", "said"}."""
import asyncio
import base64
import json
import pathlib
import typing

import anthropic
import openai
import pydantic

from conftest import script

HERE = pathlib.Path(__file__).parent


class Person(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    name: str
    age: int


def picture_url(png):
    return "data:image/png;base64," + base64.b64encode(png).decode()


class Client:
    """`url` is the server's with /v1, `model` a name that it knows."""
    raised = openai.APIStatusError

    def __init__(self, url, model, **more):
        self.url, self.model, self.more = url, model, more

    def __getattribute__(self, name):
        found = object.__getattribute__(self, name)
        if name.startswith("_") or not callable(found):
            return found

        def call(*arguments, **named):
            try:
                return found(*arguments, **named)
            except (openai.APIStatusError, anthropic.APIStatusError) as error:
                return {"failed": type(error).__name__, "status": error.status_code, "said": str(error)}
        return call

    def _openai(self, kind=openai.OpenAI):
        return kind(base_url=self.url, api_key="unused", max_retries=self.more.get("retries", 0),
                    default_headers=self.more.get("headers"))

    def _anthropic(self, kind=anthropic.Anthropic):
        return kind(base_url=self.url.removesuffix("/v1"), api_key="unused", max_retries=self.more.get("retries", 0))


class NodeClient:
    """The same calls in a Node script."""

    def __init__(self, url, model, path, api, **more):
        self._call = lambda name, **given: script(HERE / path).call(name, baseURL=url, model=model, api=api, **more, **given)

    def image(self, said, png):
        return self._call("image", said=said, png=base64.b64encode(png).decode())

    def tools(self, said, degrees, streamed=False):
        return self._call("stream_tools" if streamed else "tools", said=said, degrees=degrees)

    def turns(self, turns, degrees=None, **more):
        return self._call("turns", turns=turns, degrees=degrees, **more)

    def __getattr__(self, name):
        def call(*said, **given):
            return self._call(name, **({"said": said[0]} if said else {}), **given)
        return call


def node(path, api):
    return lambda url, model, **more: NodeClient(url, model, path, api, **more)


# --- the official SDKs

WEATHER = {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"],
           "additionalProperties": False}


class OpenAIResponses(Client):
    def text(self, said):
        answer = self._openai().responses.create(model=self.model, instructions="Be brief.", input=said)
        return {"text": answer.output_text, "tokens": answer.usage.total_tokens}

    def stream(self, said):
        with self._openai().responses.stream(model=self.model, input=said) as stream:
            pieces = [event.delta for event in stream if event.type == "response.output_text.delta"]
            return {"pieces": pieces, "whole": stream.get_final_response().output_text}

    def tools(self, said, degrees):
        tools = [{"type": "function", "name": "get_weather", "parameters": WEATHER, "strict": True}]
        asked, history = [], [{"role": "user", "content": said}]
        while True:
            answer = self._openai().responses.parse(model=self.model, input=history, tools=tools)
            history += answer.output
            called = [item for item in answer.output if item.type == "function_call"]
            if not called:
                return {"asked": asked, "text": answer.output_text}
            for call in called:
                asked.append(call.parsed_arguments["location"])
                history.append({"type": "function_call_output", "call_id": call.call_id, "output": degrees[asked[-1]]})

    def structured(self, said):
        return {"value": self._openai().responses.parse(model=self.model, input=said, text_format=Person).output_parsed.model_dump()}

    def image(self, said, png):
        return {"text": self._openai().responses.create(model=self.model, input=[{"role": "user", "content": [
            {"type": "input_text", "text": said},
            {"type": "input_image", "detail": "auto", "image_url": picture_url(png)}]}]).output_text}


class OpenAIChat(Client):
    def text(self, said):
        answer = self._openai().chat.completions.create(model=self.model, messages=[
            {"role": "developer", "content": "Be brief."}, {"role": "user", "content": said}])
        return {"text": answer.choices[0].message.content, "tokens": answer.usage.total_tokens}

    def stream(self, said):
        with self._openai().chat.completions.stream(model=self.model, messages=[{"role": "user", "content": said}]) as stream:
            pieces = [event.delta for event in stream if event.type == "content.delta"]
            return {"pieces": pieces, "whole": stream.get_final_completion().choices[0].message.content}

    def tools(self, said, degrees):
        tools = [{"type": "function", "function": {"name": "get_weather", "parameters": WEATHER, "strict": True}}]
        asked, messages = [], [{"role": "user", "content": said}]
        while True:
            message = self._openai().chat.completions.parse(model=self.model, messages=messages, tools=tools).choices[0].message
            messages.append(message)
            if not message.tool_calls:
                return {"asked": asked, "text": message.content}
            for call in message.tool_calls:
                asked.append(call.function.parsed_arguments["location"])
                messages.append({"role": "tool", "tool_call_id": call.id, "content": degrees[asked[-1]]})

    def structured(self, said):
        return {"value": self._openai().chat.completions.parse(
            model=self.model, messages=[{"role": "user", "content": said}],
            response_format=Person).choices[0].message.parsed.model_dump()}

    def image(self, said, png):
        return {"text": self._openai().chat.completions.create(model=self.model, messages=[{"role": "user", "content": [
            {"type": "text", "text": said},
            {"type": "image_url", "image_url": {"url": picture_url(png)}}]}]).choices[0].message.content}


def words(message):
    return "".join(block.text for block in message.content if block.type == "text")


class AnthropicMessages(Client):
    def _asking(self, said):
        return {"model": self.model, "max_tokens": 4096, "messages": [{"role": "user", "content": said}]}

    def text(self, said):
        answer = self._anthropic().messages.create(**self._asking(said), system="Be brief.")
        return {"text": words(answer), "tokens": answer.usage.input_tokens + answer.usage.output_tokens}

    def stream(self, said):
        with self._anthropic().messages.stream(**self._asking(said)) as stream:
            return {"pieces": list(stream.text_stream), "whole": words(stream.get_final_message())}

    def tools(self, said, degrees):
        asked = []

        @anthropic.beta_tool
        def get_weather(location: str) -> str:
            """The weather in a city"""
            asked.append(location)
            return degrees[location]

        answer = self._anthropic().beta.messages.tool_runner(**self._asking(said), tools=[get_weather]).until_done()
        return {"asked": asked, "text": words(answer)}

    def structured(self, said):
        return {"value": self._anthropic().messages.parse(**self._asking(said), output_format=Person).parsed_output.model_dump()}

    def image(self, said, png):
        return {"text": words(self._anthropic().messages.create(**self._asking([
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": base64.b64encode(png).decode()}},
            {"type": "text", "text": said}])))}


# --- OpenAI's Agents SDK

class Agents(Client):
    responses, websocket = True, False

    def _run(self, use):
        import agents
        from agents.models.openai_responses import ResponsesWebSocketError
        agents.set_tracing_disabled(True)

        async def run():
            client = self._openai(openai.AsyncOpenAI)
            provider = agents.OpenAIProvider(openai_client=client, use_responses=self.responses,
                                             use_responses_websocket=self.websocket)
            try:
                return await use(agents, agents.RunConfig(model_provider=provider))
            except ResponsesWebSocketError as error:
                return {"failed": type(error).__name__, "status": None, "said": str(error)}
            finally:
                await provider.aclose()
                await client.close()
        return asyncio.run(run())

    def _agent(self, agents, degrees=None, asked=None, **more):
        tools = []
        if degrees is not None:
            @agents.function_tool
            def get_weather(location: str) -> str:
                """The weather in a city"""
                asked.append(location)
                return degrees[location]
            tools.append(get_weather)
        settings = agents.ModelSettings(**self.more.get("settings", {}))
        return agents.Agent(name="Helper", instructions="Be brief.", model=self.model, tools=tools, model_settings=settings, **more)

    def text(self, said):
        async def use(agents, config):
            result = await agents.Runner.run(self._agent(agents), said, run_config=config)
            return {"text": result.final_output, "id": result.last_response_id,
                    "tokens": result.context_wrapper.usage.total_tokens}
        return self._run(use)

    def stream(self, said):
        async def use(agents, config):
            result = agents.Runner.run_streamed(self._agent(agents), said, run_config=config)
            pieces = [event.data.delta async for event in result.stream_events()
                      if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"]
            return {"pieces": pieces, "whole": result.final_output, "id": result.last_response_id}
        return self._run(use)

    def tools(self, said, degrees, streamed=False):
        async def use(agents, config):
            asked = []
            agent = self._agent(agents, degrees, asked)
            if streamed:
                result = agents.Runner.run_streamed(agent, said, run_config=config)
                async for _ in result.stream_events():
                    pass
            else:
                result = await agents.Runner.run(agent, said, run_config=config)
            return {"asked": asked, "text": result.final_output}
        return self._run(use)

    def structured(self, said):
        async def use(agents, config):
            result = await agents.Runner.run(self._agent(agents, output_type=Person), said, run_config=config)
            return {"value": result.final_output.model_dump()}
        return self._run(use)

    def image(self, said, png):
        async def use(agents, config):
            result = await agents.Runner.run(self._agent(agents), [{"role": "user", "content": [
                {"type": "input_text", "text": said},
                {"type": "input_image", "detail": "auto", "image_url": picture_url(png)}]}], run_config=config)
            return {"text": result.final_output}
        return self._run(use)

    def turns(self, turns, degrees=None):
        async def use(agents, config):
            texts, asked, history = [], [], []
            for said in turns:
                result = await agents.Runner.run(self._agent(agents, degrees, asked), [*history, {"role": "user", "content": said}],
                                                 run_config=config)
                history = result.to_input_list()
                texts.append(result.final_output)
            return {"texts": texts, "asked": asked}
        return self._run(use)

    def chained(self, turns, degrees=None):
        async def use(agents, config):
            texts, asked, ids = [], [], []
            for said in turns:
                result = await agents.Runner.run(self._agent(agents, degrees, asked), said, run_config=config,
                                                 previous_response_id=ids[-1] if ids else None)
                ids.append(result.last_response_id)
                texts.append(result.final_output)
            return {"texts": texts, "asked": asked, "ids": ids}
        return self._run(use)

    def conversation(self, turns, degrees=None):
        async def use(agents, config):
            session = agents.OpenAIConversationsSession(openai_client=self._openai(openai.AsyncOpenAI))
            texts, asked = [], []
            for said in turns:
                result = await agents.Runner.run(self._agent(agents, degrees, asked), said, run_config=config, session=session)
                texts.append(result.final_output)
            kinds = [item.get("type", "message") for item in await session.get_items()]
            popped = await session.pop_item()
            left, id = len(await session.get_items()), await session._get_session_id()
            await session.clear_session()
            return {"texts": texts, "asked": asked, "id": id, "kinds": kinds, "popped": popped["type"], "left": left}
        return self._run(use)

    def in_conversation(self, turns, degrees=None):
        async def use(agents, config):
            conversation = await self._openai(openai.AsyncOpenAI).conversations.create()
            texts, asked = [], []
            for said in turns:
                result = await agents.Runner.run(self._agent(agents, degrees, asked), said, run_config=config,
                                                 conversation_id=conversation.id)
                texts.append(result.final_output)
            return {"texts": texts, "asked": asked, "id": conversation.id}
        return self._run(use)

    def leave(self, said, after):
        async def use(agents, config):
            result = agents.Runner.run_streamed(self._agent(agents), said, run_config=config)
            pieces = []
            async for event in result.stream_events():
                if event.type != "raw_response_event":
                    continue
                if event.data.type == "response.output_text.delta":
                    pieces.append(event.data.delta)
                if len(pieces) == after:
                    result.cancel()
            return {"pieces": pieces}
        return self._run(use)


class AgentsChat(Agents):
    responses = False


class AgentsWebSocket(Agents):
    websocket = True


# --- LangChain and LangGraph

class LangChain(Client):
    responses = True

    def _chat(self, **more):
        from langchain_openai import ChatOpenAI
        return ChatOpenAI(model=self.model, base_url=self.url, api_key="unused", use_responses_api=self.responses,
                          max_retries=self.more.get("retries", 0), default_headers=self.more.get("headers"),
                          **self.more.get("settings", {}), **more)

    @staticmethod
    def _weather(degrees, asked):
        from langchain_core.tools import tool

        @tool
        def get_weather(location: str) -> str:
            """The weather in a city"""
            asked.append(location)
            return degrees[location]
        return get_weather

    def text(self, said):
        answer = self._chat().invoke([("system", "Be brief."), ("human", said)])
        return {"text": answer.text, "tokens": answer.usage_metadata["total_tokens"]}

    def stream(self, said):
        return {"pieces": [piece.text for piece in self._chat().stream(said) if piece.text]}

    def tools(self, said, degrees):
        from langchain_core.messages import HumanMessage
        asked, messages = [], [HumanMessage(said)]
        get_weather = self._weather(degrees, asked)
        bound = self._chat().bind_tools([get_weather])
        while True:
            messages.append(bound.invoke(messages))
            if not messages[-1].tool_calls:
                return {"asked": asked, "text": messages[-1].text}
            messages += [get_weather.invoke(call) for call in messages[-1].tool_calls]

    def graph(self, turns, degrees, streamed=False):
        from langgraph.checkpoint.memory import InMemorySaver
        from langgraph.prebuilt import create_react_agent
        asked, texts, pieces = [], [], []
        agent = create_react_agent(self._chat(), [self._weather(degrees, asked)], checkpointer=InMemorySaver())
        thread = {"configurable": {"thread_id": "1"}}
        for said in turns:
            if streamed:
                for piece, about in agent.stream({"messages": [("human", said)]}, thread, stream_mode="messages"):
                    if about["langgraph_node"] == "agent" and piece.text:
                        pieces.append(piece.text)
            else:
                agent.invoke({"messages": [("human", said)]}, thread)
            texts.append(agent.get_state(thread).values["messages"][-1].text)
        return {"asked": asked, "texts": texts, "pieces": pieces}

    def structured(self, said):
        return {"value": self._chat().with_structured_output(Person).invoke(said).model_dump()}

    def image(self, said, png):
        from langchain_core.messages import HumanMessage
        return {"text": self._chat().invoke([HumanMessage([
            {"type": "text", "text": said}, {"type": "image_url", "image_url": {"url": picture_url(png)}}])]).text}

    def turns(self, turns, degrees=None):
        from langchain_core.messages import HumanMessage
        messages, texts = [], []
        for said in turns:
            messages.append(HumanMessage(said))
            messages.append(self._chat().invoke(messages))
            texts.append(messages[-1].text)
        return {"texts": texts}

    def leave(self, said, after):
        pieces = []
        for piece in self._chat().stream(said):
            if piece.text:
                pieces.append(piece.text)
            if len(pieces) == after:
                break
        return {"pieces": pieces}


class LangChainResponses(LangChain):
    def chained(self, turns):
        from langchain_core.messages import HumanMessage
        messages, texts, ids = [], [], []
        for said in turns:  # it sends what came after the last answer, and that one's id
            messages.append(HumanMessage(said))
            messages.append(self._chat(use_previous_response_id=True).invoke(messages))
            texts.append(messages[-1].text)
            ids.append(messages[-1].response_metadata["id"])
        return {"texts": texts, "ids": ids}


class LangChainChat(LangChain):
    responses = False


# --- Pydantic AI

class PydanticAI(Client):
    def _model(self):
        from pydantic_ai.models.openai import OpenAIResponsesModel
        from pydantic_ai.providers.openai import OpenAIProvider
        return OpenAIResponsesModel(self.model, provider=OpenAIProvider(openai_client=self._openai(openai.AsyncOpenAI)))

    def _agent(self, degrees=None, asked=None, **more):
        from pydantic_ai import Agent
        agent = Agent(self._model(), instructions="Be brief.", model_settings=self.more.get("settings"), **more)
        if degrees is not None:
            @agent.tool_plain
            def get_weather(location: str) -> str:
                """The weather in a city"""
                asked.append(location)
                return degrees[location]
        return agent

    def _guarded(self, use):
        from pydantic_ai.exceptions import ModelHTTPError
        try:
            return asyncio.run(use())
        except ModelHTTPError as error:
            return {"failed": type(error).__name__, "status": error.status_code, "said": json.dumps(error.body)}

    def text(self, said):
        async def use():
            result = await self._agent().run(said)
            return {"text": result.output, "tokens": result.usage.total_tokens, "id": result.all_messages()[-1].provider_response_id}
        return self._guarded(use)

    def stream(self, said):
        async def use():
            async with self._agent().run_stream(said) as result:
                pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
                return {"pieces": pieces, "whole": await result.get_output()}
        return self._guarded(use)

    def tools(self, said, degrees, streamed=False):
        async def use():
            asked = []
            if not streamed:
                return {"asked": asked, "text": (await self._agent(degrees, asked).run(said)).output}
            async with self._agent(degrees, asked).run_stream(said) as result:
                return {"asked": asked, "text": await result.get_output()}
        return self._guarded(use)

    def structured(self, said):
        from pydantic_ai import NativeOutput

        async def use():
            return {"value": (await self._agent(output_type=NativeOutput(Person)).run(said)).output.model_dump()}
        return self._guarded(use)

    def structured_by_tool(self, said):
        async def use():
            return {"value": (await self._agent(output_type=Person).run(said)).output.model_dump()}
        return self._guarded(use)

    def image(self, said, png):
        from pydantic_ai import BinaryContent

        async def use():
            return {"text": (await self._agent().run([said, BinaryContent(png, media_type="image/png")])).output}
        return self._guarded(use)

    def turns(self, turns, degrees=None):
        async def use():
            texts, asked, history = [], [], None
            for said in turns:
                result = await self._agent(degrees, asked).run(said, message_history=history)
                history = result.all_messages()
                texts.append(result.output)
            return {"texts": texts, "asked": asked,
                    "ids": [m.provider_response_id for m in history if getattr(m, "provider_response_id", None)]}
        return self._guarded(use)


class PydanticAIResponses(PydanticAI):
    def chained(self, turns, degrees=None):
        chain = type(self)(self.url, self.model, **self.more | {"settings": {"openai_previous_response_id": "auto"}})
        return chain.turns(turns, degrees)


class PydanticAIChat(PydanticAI):
    def _model(self):
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider
        return OpenAIChatModel(self.model, provider=OpenAIProvider(openai_client=self._openai(openai.AsyncOpenAI)))


class PydanticAIAnthropic(PydanticAI):
    def _model(self):
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider
        return AnthropicModel(self.model, provider=AnthropicProvider(anthropic_client=self._anthropic(anthropic.AsyncAnthropic)))


class Kind(typing.NamedTuple):
    api: str        # "responses", "chat" or "messages"
    make: typing.Callable
    sdk: bool = False  # it goes to every supplier, not to those of its own API only


CLIENTS = {
    "openai-py responses": Kind("responses", OpenAIResponses, sdk=True),
    "openai-py chat": Kind("chat", OpenAIChat, sdk=True),
    "anthropic-py": Kind("messages", AnthropicMessages, sdk=True),
    "openai-js responses": Kind("responses", node("loops.mjs", "responses"), sdk=True),
    "openai-js chat": Kind("chat", node("loops.mjs", "chat"), sdk=True),
    "anthropic-js": Kind("messages", node("loops.mjs", "messages"), sdk=True),
    "ai-sdk openai": Kind("responses", node("ai_sdk.mjs", "responses"), sdk=True),
    "ai-sdk openai chat": Kind("chat", node("ai_sdk.mjs", "chat"), sdk=True),
    "ai-sdk open-responses": Kind("responses", node("ai_sdk.mjs", "open-responses"), sdk=True),
    "ai-sdk openai-compatible": Kind("chat", node("ai_sdk.mjs", "compatible"), sdk=True),
    "ai-sdk anthropic": Kind("messages", node("ai_sdk.mjs", "anthropic"), sdk=True),
    "agents-py": Kind("responses", Agents),
    "agents-py chat": Kind("chat", AgentsChat),
    "agents-py websocket": Kind("responses", AgentsWebSocket),
    "agents-js": Kind("responses", node("agents.mjs", "responses")),
    "agents-js chat": Kind("chat", node("agents.mjs", "chat")),
    "agents-js websocket": Kind("responses", node("agents.mjs", "websocket")),
    "langchain-py responses": Kind("responses", LangChainResponses),
    "langchain-py chat": Kind("chat", LangChainChat),
    "langchain-js responses": Kind("responses", node("langchain.mjs", "responses")),
    "langchain-js chat": Kind("chat", node("langchain.mjs", "chat")),
    "pydantic-ai responses": Kind("responses", PydanticAIResponses),
    "pydantic-ai chat": Kind("chat", PydanticAIChat),
    "pydantic-ai anthropic": Kind("messages", PydanticAIAnthropic),
}
