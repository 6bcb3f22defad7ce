/**
 * Rounds: every side has its turn in each of them, so that what slows the machine down slows all sides down.
 *
 * A side makes its calls with inputs that are all different. Rounds begin with another side each time.
 *
 * @typedef {{ name: string, calls: number, call: (index: number) => string }} Side one implementation of an operation
 * @typedef {{ ours: string, peer: string, target: number | null }} Comparison two sides by name, and by how much the first should be faster
 * @typedef {{ operation: string, size: string, sides: Side[], comparisons: Comparison[] }} Contest one operation on values of one size
 */

const ROUNDS = 21;

/**
 * Runs a contest: nanoseconds per call of every side in every round, after one round that is not counted.
 *
 * @param {Contest} contest
 */
export function run({ operation, size, sides, comparisons }) {
  const collect = globalThis.gc;
  if (collect === undefined)
    throw new Error("run node with --expose-gc: no side may pay for another's garbage");
  process.stderr.write(`    ${operation}, ${size}\n`);
  /** @type {Record<string, number[]>} */
  const rounds = Object.fromEntries(sides.map(({ name }) => [name, []]));
  for (const side of sides) turn(side);
  for (let number = 0; number < ROUNDS; number++) {
    const first = number % sides.length;
    for (const side of [...sides.slice(first), ...sides.slice(0, first)]) {
      collect();
      rounds[side.name]?.push(turn(side) / side.calls);
    }
  }
  const calls = Object.fromEntries(sides.map((side) => [side.name, side.calls]));
  return { operation, size, calls, rounds, comparisons };
}

/** @param {Side} side @returns {number} nanoseconds */
function turn({ calls, call, name }) {
  let length = 0;
  const started = processorTime();
  for (let index = 0; index < calls; index++) length += call(index).length;
  const taken = processorTime() - started;
  if (length === 0) throw new Error(`${name} gave nothing`);
  return taken * 1000;
}

/** Microseconds that this thread has computed: other programs hardly change it. */
function processorTime() {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}
