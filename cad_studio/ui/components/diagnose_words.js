// How the figures of a run are written.

/** A figure in its unit. */
export const figureText = (value, unit) =>
  (value === null || value === undefined ? 'n/a' : unit === 'share' ? `${(100 * value).toFixed(1)} %` : value.toFixed(2));

/** What a figure is called; an estimate says of what. */
export const titleOf = (figure, split) =>
  (figure.key === 'approximated_accuracy' ? `${figure.title} of ${split === 'all' ? 'all samples' : split}` : figure.title);

/** A difference in its unit, with its sign; '' when it rounds to nothing. */
export function differenceText(value, unit) {
  if (value === null || value === undefined) return '';
  const text = unit === 'share' ? (100 * value).toFixed(1) : value.toFixed(2);
  return Number(text) === 0 ? '±0' : (value > 0 ? '+' : '−') + text.replace('-', '');
}

/** Whether a difference is for the better; null when that cannot be said or it rounds to nothing. */
export function isBetter(value, figure) {
  if (!figure.better || ['', '±0'].includes(differenceText(value, figure.unit))) return null;
  return Math.sign(value) === figure.better;
}
