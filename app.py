"""Starts the page: `python app.py`, here or on a Hugging Face Space. Everything else is in ganji/ui/.

GRADIO_SERVER_NAME and GRADIO_SERVER_PORT choose the address (127.0.0.1:7860; 0.0.0.0 on a Space). GANJI_METRICS=1 shows
/metrics. SIGTERM and SIGINT end searches, delete photos, and exit within ten seconds.
"""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before Gradio is imported, as is the folder for photos
os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = "1"  # no list of who called what and when, and no statistics of it ...
os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(10**12)  # ... worked out anew after every call

from ganji import observe
from ganji.png_recipe import is_emoji_file
from ganji.privacy import TempFolder


def main() -> None:
    """Serve until a signal comes."""
    observe.configure()
    folder = TempFolder(spare=is_emoji_file)
    folder.use_for_gradio()
    from ganji.ui import zero_gpu

    zero_gpu.prepare()
    from ganji.ui.server import serve

    serve(folder)


if __name__ == "__main__":
    main()
