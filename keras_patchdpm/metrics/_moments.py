"""Mean, covariance and a random choice of features that stream in."""

import numpy as np


class Moments:
    """Mean and covariance in float64 of rows that are added batch by batch.

    Args:
        length: Int, the length of a row.
    """

    def __init__(self, length):
        self.count = 0
        self.mean = np.zeros(length)
        self._scatter = np.zeros((length, length))

    def add(self, rows):
        """Adds rows `(B, length)`, with the formula of Chan, Golub & LeVeque 1983."""
        rows = np.asarray(rows, "float64")
        count, mean = len(rows), rows.mean(axis=0)
        apart, total = mean - self.mean, self.count + len(rows)
        centred = rows - mean
        self._scatter += centred.T @ centred
        self._scatter += np.outer(apart, apart) * (self.count * count / total)
        self.mean = self.mean + apart * (count / total)
        self.count = total

    @property
    def covariance(self):
        """Covariance `(length, length)`, exactly symmetric; needs two rows."""
        covariance = self._scatter / (self.count - 1)
        return (covariance + covariance.T) / 2


class Reservoir:
    """The first `most` rows, or a random choice of `most` of all rows that were added.

    Each row is in the choice with the same probability.

    Args:
        most: Int, 0 or above.
        length: Int, the length of a row.
        seed: Int.

    Source: Vitter 1985, algorithm R.
    """

    def __init__(self, most, length, seed):
        self._most, self._length, self._seen = most, length, 0
        self._rows = []
        self._rng = np.random.default_rng(seed)

    def add(self, rows):
        """Adds float32 rows `(B, length)`."""
        for row in rows if self._most else ():
            self._seen += 1
            if len(self._rows) < self._most:
                self._rows.append(row.copy())
            elif (place := self._rng.integers(self._seen)) < self._most:
                self._rows[place] = row.copy()

    @property
    def array(self):
        """The rows, a float32 array of shape `(K, length)`."""
        if not self._rows:
            return np.zeros((0, self._length), "float32")
        return np.stack(self._rows)
