"""The MCP server, called by the client of the `mcp` package."""

import asyncio
import base64
import io
import re
import urllib.request

import pytest
from PIL import Image
from skimage import data

from ganji.png_recipe import extract

mcp = pytest.importorskip("mcp")


def ask(app, question):
    """What an async function makes of a session."""
    from mcp.client.streamable_http import streamable_http_client

    async def run():
        async with (
            streamable_http_client(f"{app.url}gradio_api/mcp/") as (read, write, _),
            mcp.ClientSession(read, write) as session,
        ):
            await session.initialize()
            return await question(session)

    return asyncio.run(run())


def pictures(result):
    found = [base64.b64decode(item.data) for item in result.content if item.type == "image"]
    for content in found:
        assert Image.open(io.BytesIO(content)).size == (256, 256)
    return found


def recipes(result):
    """Of the files that the texts link to; a picture itself is encoded anew and carries none."""
    addresses = re.findall(r"Image URL: (\S+)", texts(result))
    return [extract(urllib.request.urlopen(address, timeout=30).read()) for address in addresses]


def texts(result):
    return "\n".join(item.text for item in result.content if item.type == "text")


def test_every_endpoint_is_a_described_tool(app):
    tools = {tool.name: tool for tool in ask(app, lambda session: session.list_tools()).tools}
    assert {"generate", "customize", "emojify", "emojify_photo", "project_photo", "directions", "version"} <= set(tools)
    assert not [name for name in tools if name.startswith("ui_")]
    for tool in tools.values():
        assert len(tool.description) > 30
        for name, schema in tool.inputSchema["properties"].items():
            assert schema.get("description"), f"{tool.name}.{name}"


@pytest.mark.parametrize("with_progress", [False, True])
def test_pictures_come_as_pictures(app, with_progress):
    async def noted(*args):
        pass

    options = {"progress_callback": noted} if with_progress else {}

    async def question(session):
        grid = await session.call_tool("generate", {"seed": 5, "count": 2}, **options)
        pair = await session.call_tool("emojify", {"seed": 5}, **options)
        return grid, pair

    grid, pair = ask(app, question)
    assert len(pictures(grid)) == len(pictures(pair)) == 2
    assert [recipe.seed for recipe in recipes(grid)] == [5, 6]
    assert [recipe.kind for recipe in recipes(pair)] == ["face", "emojified"]
    assert "FileData" not in texts(grid) + texts(pair)


@pytest.mark.parametrize("tool", ["emojify_photo", "project_photo"])
def test_a_photo_becomes_an_emoji(app, tool):
    stream = io.BytesIO()
    Image.fromarray(data.astronaut()).save(stream, "JPEG", quality=90)
    photo = "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
    result = ask(app, lambda session: session.call_tool(tool, {"photo": photo}))
    assert not result.isError, texts(result)
    assert len(pictures(result)) == 3
    assert "verdict" in texts(result)


def test_a_wrong_value_is_an_error_with_its_code(app):
    result = ask(app, lambda session: session.call_tool("generate", {"seed": -1}))
    assert result.isError
    assert texts(result).endswith("[input]")
    assert "/" not in texts(result)
