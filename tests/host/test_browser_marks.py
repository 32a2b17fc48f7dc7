"""The cast picker's arithmetic, in the browser: which face is meant, what two graphs make, where marks stand."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.host, pytest.mark.browser]

LIB = "/extensions/ComfyUI-Troupe/lib"


def test_presses_digits_and_graphs(page):
    told = page.evaluate(
        """async lib => { const p = await import(lib + '/face_picture.js'), g = await import(lib + '/graph.js');
        const boxes = [{ person: 1, x: 0, y: 0, width: 200, height: 200 }, { person: 2, x: 90, y: 90, width: 10, height: 10 }];
        const at = (x, y) => p.faceAt(boxes, x, y)?.person ?? null;
        const one = { 1: { class_type: 'A', inputs: { s: 1, b: true } }, 2: { class_type: 'B', inputs: { x: ['1', 0], y: ['1', 1] } } };
        const renamed = { 'q:5': { class_type: 'A', inputs: { b: true, s: 1 } }, 9: { class_type: 'B', inputs: { y: ['q:5', 1], x: ['q:5', 0] } } };
        const other = structuredClone(renamed); other['q:5'].inputs.s = 2;
        const crossed = structuredClone(renamed); crossed[9].inputs.y = ['q:5', 0];
        const loop = { 2: { class_type: 'B', inputs: { x: ['2', 0] } } };
        return {
            at: [at(20, 20), at(95, 95), at(84, 84), at(400, 0)],
            typed: [p.typed(0, 7, 16), p.typed(1, 2, 16), p.typed(1, 2, 3), p.typed(0, 0, 9)],
            same: [renamed, other, crossed, loop, {}].map(o => g.makesTheSame(one, '2', o, '9')),
            part: Object.keys(g.partLeadingTo({ ...one, 3: { class_type: 'C', inputs: { z: ['2', 0], size: [3, 4] } } }, ['2'])),
        }; }""",
        LIB,
    )
    assert told == {
        "at": [1, 2, 2, None],
        "typed": [7, 12, 2, 0],
        "same": [True, False, False, False, False],
        "part": ["1", "2"],
    }


def test_numbers_cover_no_other_and_stay_when_another_face_is_chosen(page):
    overlaps, moved, out = page.evaluate(
        """async lib => { const m = await import(lib + '/marks.js'), room = { width: 290, height: 180 };
        const crowd = (columns, size) => Array.from({ length: 16 }, (_, i) => ({ person: i + 1, width: size, height: size * 1.2,
            x: (i % columns + 0.5) * room.width / columns - size / 2, y: 3 + Math.floor(i / columns) * size * 2.4 }));
        let overlaps = 0, moved = 0, out = 0;
        for (const boxes of [crowd(8, 10), crowd(8, 30), crowd(4, 16), crowd(4, 30)]) for (let chosen = 0; chosen <= 16; chosen++) {
            const plates = m.placePlates(boxes, room, chosen);
            const plain = m.placePlates(boxes, room, 0);
            plates.forEach((a, i) => plates.slice(i + 1).forEach(b => { overlaps += m.shared(a, b); }));
            moved += plates.filter((a, i) => i + 1 !== chosen && a.x !== plain[i].x).length;
            out += plates.filter(a => a.x < 0 || a.y < 0 || a.x + a.width > room.width || a.y + a.height > room.height).length;
        } return [overlaps, moved, out]; }""",
        LIB,
    )
    assert (overlaps, moved, out) == (0, 0, 0), (
        "numbers cover one another, or move when another face is chosen"
    )
