"""Models from the net: looked up, agreed to, fetched in pieces, checked, put where they belong.

`addresses` reads what a person gave, `hub` and `civitai` ask the two great sites what is there,
`gate` says which hosts may be spoken to and `client` speaks to them, `fetching` brings a file over
however often the line is cut, `filing` puts it into the right folder, `child` runs both in a
process of its own, and `desk` is what the faces call.
"""
