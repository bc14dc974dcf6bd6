// Sound and pictures of ROIs: base64 in the page, or files in a folder beside it.

const media = (() => {
  const { beside, rows, images, sounds } = page.media;
  const order = asArray(rows);
  const place = new Int32Array(page.n).fill(-1);
  order.forEach((row, i) => {
    place[row] = i;
  });
  const starts = (lengths) => {
    const ends = asArray(lengths);
    const out = new Float64Array(ends.length + 1);
    ends.forEach((length, i) => {
      out[i + 1] = out[i] + length;
    });
    return out;
  };
  const imageStarts = beside ? null : starts(images);
  const soundStarts = beside ? null : starts(sounds);
  const texts = {};
  const causes = new Map(page.causes);
  const unreadable = new Set(asArray(page.unreadable));
  let address = null;

  const part = (id, bounds, row) => {
    texts[id] ??= byId(id).textContent;
    return texts[id].slice(bounds[place[row]], bounds[place[row] + 1]);
  };
  const file = (row, suffix) => `${beside}/${String(row).padStart(7, "0")}.${suffix}`;

  return {
    count: order.length,
    order,
    has: (row) => place[row] >= 0,
    image: (row) =>
      beside ? file(row, "webp") : `data:image/webp;base64,${part("images", imageStarts, row)}`,
    // A blob, since Safari plays no data address; the one before is given back.
    sound(row) {
      if (beside) return file(row, "mp3");
      if (address) URL.revokeObjectURL(address);
      const bytes = decoded(part("sounds", soundStarts, row));
      address = URL.createObjectURL(new Blob([bytes], { type: "audio/mpeg" }));
      return address;
    },
    why: (row) =>
      causes.get(row) ??
      (unreadable.has(row)
        ? "Without sound and picture: its recording cannot be read."
        : "Without sound and picture: there was no room for more in the page."),
  };
})();

function shot(row, eager = false) {
  const frame = make("div", { class: "shot" });
  if (row !== null && media.has(row)) {
    frame.append(
      make("img", {
        src: media.image(row),
        alt: "",
        width: page.scale.width,
        height: page.scale.height,
        loading: eager ? "eager" : "lazy",
        decoding: "async",
        draggable: "false",
      }),
    );
  } else if (row !== null) {
    frame.append(make("div", { class: "none" }, "no sound here"));
  }
  return frame;
}
