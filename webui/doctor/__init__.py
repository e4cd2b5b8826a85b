"""`webui doctor`: what this machine has, what works, and why the rest does not."""
