// What was measured, as Markdown: the median of the rounds, the ratio to `ws` in the same round, and what not to believe.
// Works on the object that --json writes, so that a table can be made again from a file.

/** A row is not to be believed when the ratios of its rounds differ by more than this share of their median. */
export const SPREAD = 0.25;
/** Text may cost this share more than binary; beyond it, the report names the row. */
export const TEXT_COSTS = 0.15;

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
}

/** Rows of a table from single results: for each test, each bridge in the order of its first result. */
export function summarize(results) {
  const tests = [...new Set(results.map((one) => one.test))];
  return tests.map((test) => {
    const all = results.filter((one) => one.test === test);
    const bridges = [...new Set(all.map((one) => one.bridge))];
    return { test, unit: all.find((one) => one.unit)?.unit, rows: bridges.map((name) => row(name, all)) };
  });
}

/** What a result is judged by: work per CPU-second, or the memory of a connection. */
const figure = (result) => result.bytes ?? result.perCpu;

/** What results are of another bridge's in the same round. */
function ratiosTo(baseline, good, all) {
  return good.flatMap((one) => {
    const other = all.find(({ bridge, round }) => bridge === baseline && round === one.round);
    return other === undefined || other.failed !== undefined ? [] : [figure(one) / figure(other)];
  });
}

/** The median ratio of a bridge to another in a test; undefined if they have no round in common. */
function beside(baseline, name, test, results) {
  const all = results.filter((one) => one.test === test);
  const good = all.filter((one) => one.bridge === name && one.failed === undefined);
  const ratios = ratiosTo(baseline, good, all);
  return ratios.length === 0 ? undefined : median(ratios);
}

function row(bridge, all) {
  const own = all.filter((one) => one.bridge === bridge);
  const good = own.filter((one) => one.failed === undefined);
  const ratios = ratiosTo('ws', good, all);
  const middle = (values) => (values.length === 0 ? undefined : median(values));
  // The baseline's ratio to itself is always 1: its rounds are told apart by the figure.
  const compared = bridge === 'ws' ? good.map(figure) : ratios;
  return {
    bridge,
    raw: own.some((one) => one.raw),
    figure: middle(good.map(figure)),
    rate: middle(good.flatMap((one) => one.rate ?? [])),
    busy: middle(good.flatMap((one) => one.busy ?? [])),
    ratio: middle(ratios),
    spread:
      compared.length > 1
        ? (Math.max(...compared) - Math.min(...compared)) / Math.abs(median(compared))
        : undefined,
    noisy: good.filter((one) => one.noisy).length,
    rounds: good.length,
    failed: own.filter((one) => one.failed !== undefined).map((one) => one.failed),
    unansweredCloses: good.reduce((sum, one) => sum + (one.unansweredCloses ?? 0), 0),
  };
}

/** Three digits, and thousands with a comma. */
export function digits(value) {
  if (value === undefined || !Number.isFinite(value)) return '–';
  if (Math.abs(value) < 100) return value.toPrecision(3);
  const scale = 10 ** Math.max(0, Math.floor(Math.log10(Math.abs(value))) - 2);
  return (Math.round(value / scale) * scale).toLocaleString('en-US');
}

const percent = (value) => (value === undefined ? '–' : `${Math.round(value * 100)} %`);

export function markdown({ machine, results }) {
  const tests = summarize(results);
  return [...head(machine), ...tests.flatMap(table), ...text(results), ...closing(tests)].join('\n');
}

function head(machine) {
  const bridges = machine.bridges.map(({ name, version }) => `${name}${version && ` ${version}`}`).join(', ');
  return [
    '# Bridges, per CPU-second',
    '',
    `- ${machine.date}, ${machine.processor}, ${machine.processors} processors, ${machine.system}, Node ${machine.node}`,
    `- ${bridges}`,
    `- rounds: ${machine.rounds}, ${machine.time} s for each measurement; medians; "× ws" is that of the ratios within a round`,
    '',
  ];
}

function table({ test, unit, rows }) {
  const memory = unit === 'B';
  const columns = memory
    ? ['bytes per connection', '× ws', 'spread', '']
    : [`${unit} per CPU-second`, '× ws', 'spread', `${unit}/s`, 'CPU', ''];
  const cells = (one) =>
    memory
      ? [digits(one.figure), digits(one.ratio), percent(one.spread), notes(one)]
      : [
          digits(one.figure),
          digits(one.ratio),
          percent(one.spread),
          digits(one.rate),
          percent(one.busy),
          notes(one),
        ];
  return [
    `## ${test}${memory ? ' (less is better)' : ''}`,
    '',
    `| bridge | ${columns.join(' | ')} |`,
    `|---|${'---:|'.repeat(columns.length - 1)}---|`,
    ...rows.map((one) => `| ${one.bridge} | ${cells(one).join(' | ')} |`),
    '',
  ];
}

/** Text both ways beside binary: the daemon's own figures in the same round. */
function text(results) {
  const names = [...new Set(results.map((one) => one.bridge))].filter((name) => name.endsWith('-text'));
  if (names.length === 0) return [];
  const tests = [...new Set(results.filter((one) => names.includes(one.bridge)).map((one) => one.test))];
  const rows = tests.map((test) => ({
    test,
    ratios: names.map((name) => ({ name, ratio: beside('websocksy', name, test, results) })),
  }));
  const slow = rows.flatMap(({ test, ratios }) =>
    ratios.flatMap(({ name, ratio }) =>
      ratio < 1 - TEXT_COSTS ? `${test} under ${name} (${digits(ratio)})` : [],
    ),
  );
  return [
    '## Text both ways, × binary',
    '',
    `| row | ${names.join(' | ')} |`,
    `|---|${'---:|'.repeat(names.length)}`,
    ...rows.map(
      ({ test, ratios }) => `| ${test} | ${ratios.map(({ ratio }) => digits(ratio)).join(' | ')} |`,
    ),
    '',
    slow.length === 0
      ? `All within ${percent(TEXT_COSTS)} of binary.`
      : `More than ${percent(TEXT_COSTS)} below binary: ${slow.join(', ')}.`,
    '',
  ];
}

function notes(one) {
  return [
    ...(one.raw ? ['TCP only, no WebSocket'] : []),
    ...(one.failed.length > 0
      ? [`failed in ${one.failed.length} of ${one.failed.length + one.rounds} rounds: ${one.failed[0]}`]
      : []),
    ...(one.unansweredCloses > 0 ? ['does not answer a Close'] : []),
    ...(one.noisy > 0 ? [`${one.noisy} of ${one.rounds} noisy`] : []),
  ].join('; ');
}

/** Whether a row tells nothing: others used the machine in most of its rounds, or these differ too much. */
export const isDoubtful = (one) =>
  one.rounds > 0 && (one.noisy * 2 > one.rounds || (one.spread ?? 0) > SPREAD);

function closing(tests) {
  const doubts = tests.flatMap(({ test, rows }) => {
    const names = rows.filter(isDoubtful).map((one) => one.bridge);
    return names.length === 0 ? [] : `${test} (${names.length === rows.length ? 'all' : names.join(', ')})`;
  });
  const single = tests.some(({ rows }) => rows.some((one) => one.rounds === 1));
  return [
    doubts.length === 0
      ? `Quiet enough: others left the machine alone, and no row is spread over more than ${percent(SPREAD)}.`
      : `Too noisy to tell, since others used the machine or the rounds differ by more than ${percent(SPREAD)}: ${doubts.join(', ')}.`,
    ...(single ? ['Some rows have a single round: nothing is known of their spread.'] : []),
    '',
  ];
}
