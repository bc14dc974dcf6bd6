// Lists of the nearest clips of each clip.

const STEPS = 255 / 2;

// Return the function that gives the nearest clips of a row, `{ row, distance }`, nearest first.
// `order` are the rows of the clips; `index` and `distance` have `count` entries for each of the
// first clips: numbers of clips, and distances from 0 to 2 in 255 steps.
export function createNearest({ count, index, distance }, order) {
  const clipOf = new Map(Array.from(order, (row, clip) => [row, clip]));
  return (row) => {
    const clip = clipOf.get(row);
    if (clip === undefined) return [];
    return Array.from(index.slice(clip * count, (clip + 1) * count), (other, i) => ({
      row: order[other],
      distance: distance[clip * count + i] / STEPS,
    }));
  };
}
