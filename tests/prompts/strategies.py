"""Prompts of every kind, for property tests."""

from hypothesis import strategies as st

TANGLES = st.text(alphabet="()[]|:\\#<> .15aA\n", max_size=40)
"""Marks of the language thrown together."""

WHENS = st.sampled_from(["3", "0.5", " 2 ", "1", "1.5", "7", "-1", "0", "1.0", "1e0", "+.25", "x"])

PROMPTS = st.recursive(
    st.text(alphabet="ab ,1.", max_size=4) | st.sampled_from(["\\(", "\\]", "AND", "BREAK", "\\"]),
    lambda inner: st.one_of(
        st.builds("[{}:{}:{}]".format, inner, inner, WHENS),
        st.builds("[{}:{}]".format, inner, WHENS),
        st.lists(inner, min_size=2, max_size=4).map(lambda options: f"[{'|'.join(options)}]"),
        st.builds("({})".format, inner),
        st.builds("({}:1.2)".format, inner),
        st.builds("{}{}".format, inner, inner),
    ),
    max_leaves=12,
)
"""Mostly well-formed prompts, nested."""
