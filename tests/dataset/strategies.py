"""Documents of all kinds, as a provider may write them."""

from hypothesis import strategies as st

from oracles.dataset import Document

unicode_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | unicode_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(unicode_text, inner, max_size=3),
    max_leaves=6,
)
documents = st.builds(
    Document,
    unicode_text.filter(lambda text: bool(text.strip())),
    st.dictionaries(unicode_text, json_values, max_size=4),
)
