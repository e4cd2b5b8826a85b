"""The page: a form over the request type, and a live view of the jobs, on Gradio."""
