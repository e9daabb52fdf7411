// What was found, as Markdown: a table for each question, and a sentence for each line that is not as it should be.
// Works on the object that --json writes.
import { digits } from '../report.mjs';
import { GROWTH, RISE, rises, swing, WARM_UP } from './criteria.mjs';

const percent = (share) => `${Math.round(share * 100)} %`;

export function markdown({ machine, questions }) {
  return [
    '# How cost grows',
    '',
    `- ${machine.date}, ${machine.processor}, ${machine.processors} processors, ${machine.system}, Node ${machine.node}`,
    `- websocksy ${machine.version}; points: medians of ${machine.rounds} rounds of ${machine.time} s`,
    `- "Not rising": no point is more than ${percent(RISE)} above the least one before it.`,
    `- "Flat": after the first ${percent(WARM_UP)}, the last quarter is no more than ${percent(GROWTH)} above the first.`,
    '',
    ...questions.flatMap(question),
    ...closing(questions),
  ].join('\n');
}

function question(one) {
  const verdict = one.shape === undefined ? [] : [...verdicts(one), ''];
  return [`## ${one.title}`, '', ...(one.linear ? [] : [...table(one), '']), ...verdict];
}

function table({ x, y, series }) {
  const xs = [...new Set(series.flatMap(({ points }) => points.map((point) => point.x)))].sort(
    (a, b) => a - b,
  );
  const cell = ({ points }, value) => {
    const point = points.find((one) => one.x === value);
    if (point?.failed !== undefined) return 'failed';
    return `${digits(point?.y)}${point?.noisy ? ' ~' : ''}`;
  };
  return [
    `| ${x} | ${series.map(({ name }) => name).join(' | ')} |`,
    `|---:|${'---:|'.repeat(series.length)}`,
    ...xs.map(
      (value) =>
        `| ${value.toLocaleString('en-US')} | ${series.map((one) => cell(one, value)).join(' | ')} |`,
    ),
    '',
    `In ${y}.${series.some(({ points }) => points.some(({ noisy }) => noisy)) ? ' ~ others used the machine in most rounds.' : ''}`,
  ];
}

/** A sentence for each line but those of a control. */
function verdicts(one) {
  return judged(one).map((line) => `- ${line.name}: ${findings(one, line).words}`);
}

const judged = ({ series }) => series.filter(({ isControl }) => !isControl);

/** What there is to say of a line, whether it is as it should be, and whether others' work may be why it is not. */
function findings({ shape, y, from = 0, series }, { points, control }) {
  const failed = points.find((one) => one.failed !== undefined);
  if (failed !== undefined) return { good: false, words: `**failed** at ${failed.x}: ${failed.failed}` };
  const beside = series.find(({ name }) => name === control)?.points ?? [];
  return shape === 'flat' ? flatness(points, y) : straightness(points, from, beside);
}

function flatness(points, unit) {
  const { least, largest, growth } = swing(points);
  const good = growth <= GROWTH;
  const range = `${digits(least)} to ${digits(largest)} ${unit}; the last quarter is ${percent(Math.abs(growth))} ${growth < 0 ? 'below' : 'above'} the first`;
  return { good, words: `${good ? 'flat' : '**not flat**'}, ${range}` };
}

function straightness(points, from, control) {
  const high = rises(points.filter(({ x, y }) => x >= from && y > 0));
  if (high.length === 0) return { good: true, words: `not rising${from > 0 ? `, from ${from} on` : ''}` };
  const where = high.map((rise) => {
    const least = rise.least.toLocaleString('en-US');
    const noisy = rise.noisy ? '; noisy' : '';
    return `at ${rise.x.toLocaleString('en-US')} (${digits(rise.times)} times that of ${least}${same(rise, control)}${noisy})`;
  });
  const doubtful = high.every(({ noisy }) => noisy);
  return { good: false, doubtful, words: `${doubtful ? 'perhaps ' : ''}**rising** ${where.join(', ')}` };
}

/** How much the control rises between the same two points. */
function same({ x, least }, control) {
  const at = (value) => control.find((one) => one.x === value)?.y;
  const times = at(x) / at(least);
  return Number.isFinite(times) ? `; the control ${digits(times)} times` : '';
}

/** Whether everything that came through was right, whatever it cost. */
export const isRight = ({ questions }) =>
  questions.every(({ series }) =>
    series.every(({ points }) => points.every(({ failed }) => failed === undefined)),
  );

function closing(questions) {
  const all = questions
    .filter(({ shape }) => shape !== undefined)
    .flatMap((one) =>
      judged(one).map((line) => ({ at: `${one.name} (${line.name})`, ...findings(one, line) })),
    );
  const bad = all.filter(({ good, doubtful }) => !good && !doubtful).map(({ at }) => at);
  const unclear = all.filter(({ doubtful }) => doubtful).map(({ at }) => at);
  return [
    ...(bad.length > 0 ? [`Neither flat nor falling: ${bad.join(', ')}.`] : []),
    ...(unclear.length > 0 ? [`Too noisy to tell: ${unclear.join(', ')}.`] : []),
    ...(bad.length + unclear.length === 0 ? ['Every line is flat or does not rise.'] : []),
    '',
  ];
}
