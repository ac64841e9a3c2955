"""Any bytes as a recipe: text, JSON, PNG. A recipe that reads back as itself, or one message. See README.md."""

import sys

import atheris

with atheris.instrument_imports(include=["ganji"]):
    from ganji import png_recipe, recipe, validate
    from ganji.errors import InputError


def fit_to_show(message: str) -> None:
    """A message may neither be long nor hold odd characters."""
    assert len(message) <= validate.MAX_SENTENCE, message
    assert message.isprintable(), ascii(message)


def check(data: bytes) -> None:
    """One input, read in all three ways."""
    text = data.decode("utf-8", "surrogateescape")
    for read, value in ((recipe.from_text, text), (_from_json, text), (_from_json, data), (png_recipe.extract, data)):
        try:
            found = read(value)
        except InputError as error:
            fit_to_show(str(error))
            continue
        assert recipe.from_text(found.to_text()) == found


def _from_json(value: object) -> recipe.Recipe:
    found, code = recipe.from_json(value)
    assert code is None or code.digest == found.photo
    return found


if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
