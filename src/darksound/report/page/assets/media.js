// Sounds and thumbnails of ROIs: base64 in the page, or files in a folder beside it.

import { asArray, fromBase64, page } from "./data.js";
import { byId, make } from "./elements.js";
import { t } from "./language.js";

export const media = (() => {
  const { folder, rows, images, sounds } = page.media;
  const order = asArray(rows);
  const indexOf = new Int32Array(page.n).fill(-1);
  order.forEach((row, i) => {
    indexOf[row] = i;
  });
  const startsOf = (lengths) => {
    const ends = asArray(lengths);
    const out = new Float64Array(ends.length + 1);
    ends.forEach((length, i) => {
      out[i + 1] = out[i] + length;
    });
    return out;
  };
  const imageStarts = folder ? null : startsOf(images);
  const soundStarts = folder ? null : startsOf(sounds);
  const texts = {};
  const causes = new Map(page.causes);
  const unreadable = new Set(asArray(page.unreadable));
  let blobUrl = null;

  const embedded = (id, bounds, row) => {
    texts[id] ??= byId(id).textContent;
    return texts[id].slice(bounds[indexOf[row]], bounds[indexOf[row] + 1]);
  };
  const file = (row, suffix) => `${folder}/${String(row).padStart(7, "0")}.${suffix}`;

  return {
    count: order.length,
    order,
    has: (row) => indexOf[row] >= 0,
    image: (row) =>
      folder ? file(row, "webp") : `data:image/webp;base64,${embedded("images", imageStarts, row)}`,
    // A blob, since Safari plays no data URLs; the previous one is released.
    sound(row) {
      if (folder) return file(row, "mp3");
      if (blobUrl) URL.revokeObjectURL(blobUrl);
      const bytes = fromBase64(embedded("sounds", soundStarts, row));
      blobUrl = URL.createObjectURL(new Blob([bytes], { type: "audio/mpeg" }));
      return blobUrl;
    },
    missingReason: (row) =>
      causes.get(row) ?? (unreadable.has(row) ? t("clip.unreadable") : t("clip.page_limit")),
  };
})();

export function thumbnail(row, eager = false) {
  const frame = make("div", { class: "thumbnail" });
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
    frame.append(make("div", { class: "no-sound" }, t("clip.no_sound")));
  }
  return frame;
}
