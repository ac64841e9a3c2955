"""The web page and the typed endpoints. Gradio is imported here and in app.py, nowhere else."""
