// Where the marks of faces go: the plate with a number, the name of the drive, beside their box and off all others.
// Nothing happens on import.

const LETTER = 5.8; // pixels, the usual width of a letter of a name
const DIGIT = 7.5;
const PLATE = 18; // pixels: the height of a plate
const LINE = 13;
const WIDEST = 190;
const LEAST_WORD = 48; // a name with less room than that is shown only while its face is pointed at
const TICKED = 18; // pixels that a tick takes

const cut = (text, letters) => (text.length > letters ? `${text.slice(0, Math.max(1, letters - 1))}…` : text);

/** A name in one or two lines of so many letters. */
function wrapped(text, letters) {
  if (text.length <= letters) return [text];
  const at = text.lastIndexOf(" ", letters);
  return at > 0 ? [text.slice(0, at), cut(text.slice(at + 1), letters)] : [cut(text, letters)];
}

/** How many square pixels two rectangles share. */
export function shared(a, b) {
  const wide = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const high = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return wide > 0 && high > 0 ? wide * high : 0;
}

const covered = (rect, others) => others.reduce((sum, other) => sum + shared(rect, other), 0);

/** The one of some places that covers least, the first if several do: of marks four times as bad as of boxes. */
function best(places, marks, boxes) {
  let [found, least] = [null, Infinity];
  for (const place of places) {
    const cost = 4 * covered(place, marks) + covered(place, boxes);
    if (cost < least - 0.5) [found, least] = [place, cost];
  }
  return found;
}

/** Moves a rectangle into a room. */
function inside(rect, room) {
  const x = Math.max(1, Math.min(rect.x, room.width - rect.width - 1));
  const y = Math.max(1, Math.min(rect.y, room.height - rect.height - 1));
  return { ...rect, x, y };
}

/** Where the number of a box can stand: over it, beginning or ending with it, under it, beside it, in it. */
function placesOfPlate(box, room) {
  const [width, height] = [String(box.person).length * DIGIT + 9, PLATE];
  const [left, right, over, under] = [box.x - 1, box.x + box.width + 1, box.y - height - 1, box.y + box.height + 1];
  const at = (x, y) => inside({ x, y, width, height }, room);
  const within = at(box.x + 1, box.y + 1);
  const above = over >= 0 ? [at(left, over), at(right - width, over)] : [within];
  return [...above, at(left, under), at(right - width, under), at(left - width, box.y), at(right, box.y), within];
}

/** A plate with room for a tick, if it meets no other plate. */
function ticked(plate, others, room) {
  const wide = { ...plate, width: plate.width + TICKED, tick: true };
  const free = (rect) => rect.x >= 0 && rect.x + rect.width <= room.width && !covered(rect, others);
  return [wide, { ...wide, x: plate.x - TICKED }].find(free) ?? plate;
}

/** The number of each box: a list of {x, y, width, height, tick} in the order of the boxes ({person, x, y, width, height}
 *  in the pixels of the room). Which one is chosen moves none of them; it gives a tick where there is room for one. */
export function placePlates(boxes, room, chosen) {
  const plates = [];
  for (const box of boxes) {
    const others = boxes.filter((each) => each !== box);
    plates.push(best(placesOfPlate(box, room), plates, others));
  }
  return plates.map((plate, at) =>
    boxes[at].person === chosen ? ticked(plate, plates.filter((each) => each !== plate), room) : plate,
  );
}

/** How wide the name under a box may be before it meets the one under another. */
function beside(box, boxes) {
  const bottom = box.y + box.height;
  const near = boxes.filter((other) => other !== box && Math.abs(other.y + other.height - bottom) < 20);
  const middle = box.x + box.width / 2;
  return Math.min(WIDEST, ...near.map((other) => Math.abs(other.x + other.width / 2 - middle)));
}

function placesOfName(box, plate, name, boxes, room, isChosen) {
  const most = Math.min(room.width, Math.max(box.width, beside(box, boxes) - 4, isChosen ? 100 : 0));
  const lines = wrapped(name, Math.floor((most - 8) / LETTER));
  const width = Math.min(Math.max(...lines.map((line) => line.length)) * LETTER + 8, room.width);
  const height = 3 + LINE * lines.length;
  const middle = box.x + box.width / 2 - width / 2;
  const under = Math.max(box.y + box.height, plate.y > box.y + box.height ? plate.y + plate.height : 0) + 4;
  const over = Math.min(box.y, plate.y) - height - 2;
  return [under, over].map((y) => ({ ...inside({ x: middle, y, width, height }, room), lines, narrow: most < LEAST_WORD + 4 }));
}

/** The names of the drives: by person {x, y, width, height, lines, quiet}; a quiet one is to be shown only while its face
 *  is pointed at, because it would cover too much. */
export function placeNames(boxes, plates, names, room, chosen) {
  const found = {};
  const placed = [];
  const first = [...boxes.keys()].sort((a, b) => (boxes[b].person === chosen) - (boxes[a].person === chosen));
  for (const at of first) {
    const box = boxes[at];
    const name = names[box.person];
    if (!name) continue;
    const isChosen = box.person === chosen;
    const marks = [...plates, ...placed];
    const others = boxes.filter((each) => each !== box);
    const place = best(placesOfName(box, plates[at], name, boxes, room, isChosen), marks, others);
    const quiet = (place.narrow && !isChosen) || covered(place, marks) > 0;
    found[box.person] = { ...place, quiet };
    if (!quiet) placed.push(place);
  }
  return found;
}
