"""How good the starter model is: ``python -m webui.starter.evaluate [FOLDER] [--quick]``.

Reading order: ``statistics`` (scores of pictures), ``sampling`` and ``studio`` (how pictures are
drawn), ``sources`` (what they start from), then the parts ``pairs``, ``repainting``,
``inpainting``, ``controlling`` and ``basics``, and ``report`` with ``sheet``.
"""
