"""Numbers of any length in a timeline, as text and as JSON: read, or refused in words that name the place."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from troupe.engine.errors import TroupeError
from troupe.engine.motion.timeline import Timeline

LONG = "9" * 5000
ITEM = {"name": "happy", "start": 1}


def written(data: object, digits: str) -> str:
    """JSON in which the text "#" is a number of these digits."""
    return json.dumps(data).replace('"#"', digits)


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({"items": [ITEM, ITEM | {"value": "#"}]}, "Item 2 ('happy')"),
        ({"items": [ITEM | {"end": "#"}]}, "Item 1 ('happy')"),
        ({"tracks": [{"name": "yaw", "keyframes": [{"time": "#", "value": 1}]}]}, "Track 1 ('yaw')"),
        ({"items": [ITEM], "seed": "#"}, "The timeline: the seed"),
        ({"items": [ITEM], "duration": "#"}, "Timeline: the length"),
        ({"items": [ITEM], "fps": "#"}, "The frame rate"),
        ({"items": [ITEM], "version": "#"}, "This JSON is not a timeline"),
        ({"items": "#"}, "The timeline: 'items' is not a list"),
        (["#"], "The timeline is not a JSON object"),
    ],
)
def test_a_number_longer_than_python_reads_is_named(data, place):
    for digits in (LONG, "-" + LONG):
        with pytest.raises(TroupeError) as caught:
            Timeline.parse(written(data, digits))
        assert place in str(caught.value) and len(str(caught.value)) < 400


def test_a_number_longer_than_python_reads_in_a_text_is_named():
    with pytest.raises(TroupeError, match=r"Item 2 \('blink @9+', line 2, column 3\)"):
        Timeline.parse(f"happy @1\n  blink @{LONG}")


NUMBERS = st.builds(
    lambda sign, digits, times, more: sign + digits * times + more,
    st.sampled_from(["", "-"]),
    st.sampled_from(["1", "9", "35", "0.5"]),
    st.sampled_from([1, 2, 20, 154, 309, 310, 4300, 4301, 6000]),
    st.sampled_from(["", ".5", "e5", "e-400", "e9999"]),
)


@settings(max_examples=150, deadline=None)
@given(
    digits=NUMBERS,
    field=st.sampled_from(["value", "start", "end", "attack", "seed", "idle", "fps", "duration", "name"]),
)
def test_any_number_anywhere_is_read_or_refused_in_words(digits, field):
    item = ITEM | ({field: "#"} if field in ("value", "start", "end", "attack", "name") else {})
    top = {"items": [item]} | ({field: "#"} if field in ("seed", "idle", "fps", "duration") else {})
    track = {
        "tracks": [{"name": "jawOpen", "keyframes": [{"time": 0, "value": 0}, {"time": "#", "value": 1}]}]
    }
    texts = [
        written(top, digits),
        written(track, digits),
        f"happy {digits} @1",
        f"happy @{digits}",
        f"seed {digits}",
    ]
    for text in texts:
        try:
            assert 0 <= Timeline.parse(text).duration <= 3600
        except TroupeError as error:
            assert error.what and error.why and error.remedy
