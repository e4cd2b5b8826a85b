"""From words to what a network is told; `syntax`, `tokens` and `styles` never import torch."""
