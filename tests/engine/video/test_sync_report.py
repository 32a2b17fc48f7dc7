"""Rates and lengths that differ are named, those that do not are left in peace."""

from __future__ import annotations

import pytest

from troupe.engine.errors import TroupeError
from troupe.engine.video.sync import Part, sync_report


def clip(seconds, fps, role="drive", name="clip", **more):
    return Part(role, name, seconds, fps, round(seconds * fps), **more)


def sound(seconds):
    return Part("drive", "audio", seconds)


def output(seconds, fps):
    return clip(seconds, fps, "output", "frames")


@pytest.mark.parametrize("fps", [16.0, 25.0, 30000 / 1001])
def test_what_fits_is_in_step(fps):
    lines, warnings = sync_report([clip(4, fps), sound(4.0), output(4, fps)], fps)
    assert warnings == [] and len(lines) == 4 and lines[-1] == f"model: {fps:.5g} fps"


def test_frames_of_a_model_shown_at_another_rate():
    _, (warning,) = sync_report([output(4, 25)], 16)
    assert "25 fps (frames), the model makes 16" in warning and "1.56 times too fast" in warning
    _, (warning,) = sync_report([output(4, 12)], 16)
    assert "1.33 times too slowly" in warning


def test_a_clip_taken_frame_by_frame():
    _, warnings = sync_report([clip(4, 30), output(7.5, 16)], 16)
    assert any("played 1.88 times too slowly" in w or "1.88" in w for w in warnings)
    assert any("30 fps, the frames 16, with 120 frames each" in w for w in warnings)


def test_a_motion_has_its_own_clock():
    motion = clip(4, 60, name="motion", by_time=True)
    assert sync_report([motion, output(4, 25)], 25)[1] == []


def test_lengths():
    _, (cut,) = sync_report([sound(5.0), output(4, 25)])
    _, (rest,) = sync_report([sound(3.0), output(4, 25)])
    assert "its end (1.00 s) is cut off" in cut and "the rest (1.00 s) has nothing to follow" in rest
    assert sync_report([sound(4.03), output(4, 25)])[1] == []
    _, (drives,) = sync_report([clip(4, 25), sound(6.0)])
    assert drives == "The clip ends 2.00 s before the audio."


def test_the_difference_between_30_and_ntsc_is_no_warning_but_25_and_24_is():
    assert sync_report([clip(4, 30), clip(4, 30000 / 1001, "output", "frames")])[1] == []
    assert sync_report([clip(4, 25), output(4, 24)])[1] != []


def test_nothing_to_compare():
    with pytest.raises(TroupeError, match="Nothing to compare"):
        sync_report([sound(1.0)])
