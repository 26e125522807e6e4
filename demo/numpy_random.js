// The random numbers of NumPy's `default_rng`: the same seed gives the same noise as in
// the package. `SeedSequence` and PCG64 are those of O'Neill 2014, the normal
// distribution is the ziggurat of Marsaglia and Tsang 2000, with 256 layers.

const WORD = 0xffffffffn;
const MASK = (1n << 128n) - 1n;
const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;
const POOL = 4; // Words of the state of a `SeedSequence`.
const LAYERS = 256;
const RIGHT = 3.6541528853610088; // Where the tail of the ziggurat begins.
const AREA = 0.004928673233974658; // Of each layer.

// A generator, as `numpy.random.default_rng(SeedSequence(entropy, spawn_key=spawnKey))`.
export class Generator {
  // Both arguments are lists of non-negative integers, as numbers or BigInt.
  constructor(entropy, spawnKey = []) {
    const [a, b, c, d] = seedState(entropy, spawnKey);
    this.increment = ((((c << 64n) | d) << 1n) | 1n) & MASK;
    this.state = (this.increment + ((a << 64n) | b)) & MASK;
    this.advance();
    this.waiting = null; // The second half of the last 64 bits.
  }

  advance() {
    this.state = (this.state * MULTIPLIER + this.increment) & MASK;
  }

  // The next 32 random bits.
  word() {
    if (this.waiting !== null) {
      const word = this.waiting;
      this.waiting = null;
      return word;
    }
    this.advance();
    const folded = BigInt.asUintN(64, (this.state >> 64n) ^ this.state);
    const turn = this.state >> 122n;
    const bits = BigInt.asUintN(64, (folded >> turn) | (folded << (64n - turn)));
    this.waiting = Number(bits >> 32n);
    return Number(bits & WORD);
  }

  // A float in [0, 1).
  uniform() {
    return (this.word() >>> 8) / 2 ** 24;
  }

  // An integer from `low` to `high - 1`.
  integer(low, high) {
    const range = high - low;
    if (range === 1) return low;
    const smallest = (2 ** 32 - range) % range; // Below it, numbers are not equally likely.
    for (;;) {
      const product = BigInt(this.word()) * BigInt(range);
      if (Number(product & WORD) >= smallest) return low + Number(product >> 32n);
    }
  }

  // `count` normal numbers, a Float32Array.
  normal(count) {
    return Float32Array.from({ length: count }, () => this.oneNormal());
  }

  oneNormal() {
    for (;;) {
      const word = this.word();
      const layer = word & 0xff;
      const place = (word >>> 9) & 0x7fffff;
      const x = (word & 0x100 ? -1 : 1) * Math.fround(place * WIDTHS[layer]);
      if (place < LIMITS[layer]) return x;
      if (layer === 0) return this.tail(place & 0x100 ? -1 : 1);
      const step = Math.fround(HEIGHTS[layer - 1] - HEIGHTS[layer]);
      const above = Math.fround(step * this.uniform());
      if (Math.fround(HEIGHTS[layer] + above) < Math.exp(-0.5 * x * x)) return x;
    }
  }

  tail(sign) {
    for (;;) {
      const further = -Math.log1p(-this.uniform()) / RIGHT;
      const height = -Math.log1p(-this.uniform());
      if (height + height > further * further) return sign * (RIGHT + further);
    }
  }
}

// The four 64-bit integers with which a generator starts.
function seedState(entropy, spawnKey) {
  const words = entropy.flatMap(wordsOf);
  if (spawnKey.length) {
    while (words.length < POOL) words.push(0);
    words.push(...spawnKey.flatMap(wordsOf));
  }
  const hash = hasher(0x43b0d7e5, 0x931e8875);
  const pool = Array.from({ length: POOL }, (_, k) => hash(words[k] ?? 0));
  for (let from = 0; from < POOL; from++) {
    for (let to = 0; to < POOL; to++) {
      if (from !== to) pool[to] = mix(pool[to], hash(pool[from]));
    }
  }
  for (const word of words.slice(POOL)) {
    for (let to = 0; to < POOL; to++) pool[to] = mix(pool[to], hash(word));
  }
  const last = hasher(0x8b51f9dd, 0x58f38ded);
  const out = Array.from({ length: 8 }, (_, k) => BigInt(last(pool[k % POOL])));
  return [0, 2, 4, 6].map((k) => out[k] | (out[k + 1] << 32n));
}

// An integer as 32-bit words, the lowest first.
function wordsOf(value) {
  const words = [];
  let rest = BigInt(value);
  do {
    words.push(Number(rest & WORD));
    rest >>= 32n;
  } while (rest);
  return words;
}

// A function that hashes 32 bits, each time with another constant.
function hasher(constant, factor) {
  return (word) => {
    const mixed = word ^ constant;
    constant = Math.imul(constant, factor) >>> 0;
    return shifted(Math.imul(mixed, constant));
  };
}

function mix(one, other) {
  return shifted(Math.imul(0xca01f9dd, one) - Math.imul(0x4973f715, other));
}

function shifted(word) {
  const bits = word >>> 0;
  return (bits ^ (bits >>> 16)) >>> 0;
}

// The layers of the ziggurat, the narrowest first; layer 0 is the one with the tail.
const EDGES = new Float64Array(LAYERS);
EDGES[LAYERS - 1] = RIGHT;
for (let k = LAYERS - 1; k > 1; k--) {
  EDGES[k - 1] = Math.sqrt(-2 * Math.log(AREA / EDGES[k] + density(EDGES[k])));
}
const HEIGHTS = Float32Array.from(EDGES, density);
const BASE = AREA / density(RIGHT);
const WIDTHS = Float32Array.from(EDGES, (x, k) => (k ? x : BASE) / 2 ** 23);
const LIMITS = Uint32Array.from(EDGES, (x, k) =>
  Math.round((k ? EDGES[k - 1] / x : RIGHT / BASE) * 2 ** 23),
);

function density(x) {
  return Math.exp(-0.5 * x * x);
}
