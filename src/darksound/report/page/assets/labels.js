// Where labels stand on the map: none over another one, the more important ones first.

const GAP = 3;
// Positions around the place of a label, as parts of its width and height; the first is on it.
const OFFSETS = [
  [0, 0],
  [0, -1],
  [0, 1],
  [0.75, -0.6],
  [-0.75, -0.6],
  [0.75, 0.6],
  [-0.75, 0.6],
  [1, 0],
  [-1, 0],
];

function overlaps(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

// labels: `{text, x, y, weight, key}` with the wanted centre in pixels. `widthOf(text)` measures.
// Return those that have room, with `u`, `v`, the centre of the text; `first` has room in any case.
export function placeLabels(labels, { width, height, lineHeight, widthOf, first = null }) {
  const placed = [];
  // Boxes by squares of the map, so that each is compared with few.
  const size = 64;
  const squares = new Map();
  const eachSquare = (box, act) => {
    for (let i = Math.floor(box.left / size); i <= Math.floor(box.right / size); i++)
      for (let j = Math.floor(box.top / size); j <= Math.floor(box.bottom / size); j++)
        act(`${i} ${j}`);
  };
  const isFree = (box) => {
    let free = true;
    eachSquare(box, (square) => {
      if (free && squares.get(square)?.some((other) => overlaps(box, other))) free = false;
    });
    return free;
  };
  const order = [...labels].sort(
    (a, b) => (b.key === first) - (a.key === first) || b.weight - a.weight || a.key - b.key,
  );
  for (const label of order) {
    if (label.x < 0 || label.y < 0 || label.x > width || label.y > height) continue;
    const wide = widthOf(label.text) + 2 * GAP;
    const boxes = OFFSETS.map(([dx, dy]) => {
      const u = Math.min(Math.max(label.x + dx * wide, wide / 2), width - wide / 2);
      const v = Math.min(
        Math.max(label.y + dy * lineHeight, lineHeight / 2),
        height - lineHeight / 2,
      );
      return {
        u,
        v,
        left: u - wide / 2,
        right: u + wide / 2,
        top: v - lineHeight / 2,
        bottom: v + lineHeight / 2,
      };
    });
    const box = boxes.find(isFree) ?? (label.key === first ? boxes[0] : null);
    if (!box) continue;
    eachSquare(box, (square) => {
      if (!squares.has(square)) squares.set(square, []);
      squares.get(square).push(box);
    });
    placed.push({ ...label, ...box });
  }
  return placed;
}
