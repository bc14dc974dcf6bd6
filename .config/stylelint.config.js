export default {
  extends: ["stylelint-config-standard"],
  rules: {
    // Rules are compact and grouped by part of the page.
    "at-rule-empty-line-before": null,
    "declaration-block-single-line-max-declarations": null,
    "no-descending-specificity": null,
    "rule-empty-line-before": null,
    // `min-width` is understood by older browsers too.
    "media-feature-range-notation": "prefix",
  },
};
