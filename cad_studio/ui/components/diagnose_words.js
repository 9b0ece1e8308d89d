// How the figures of a run are written.

/** A figure in its unit. */
export const figureText = (value, unit) => (value === null || value === undefined ? 'n/a' : unit === 'share' ? `${(100 * value).toFixed(1)} %` : value.toFixed(2));

/** A difference in its unit, with its sign; '' when it rounds to nothing. */
export function differenceText(value, unit) {
  if (value === null || value === undefined) return '';
  const text = unit === 'share' ? (100 * value).toFixed(1) : value.toFixed(2);
  return Number(text) === 0 ? '±0' : (value > 0 ? '+' : '−') + text.replace('-', '');
}
