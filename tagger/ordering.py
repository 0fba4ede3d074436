"""An order of the hash buckets in which related terms are neighbours.

Neighbouring hash buckets have nothing to do with each other, so a convolution over them has
nothing to work on. Buckets are therefore sorted once, by where they lie in the space of a
truncated SVD: recursive bisection along the first principal direction, down to groups of one
position of the folded row.
"""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

_N_POWER = 20


def bisect_order(places: FloatArray, *, group: int) -> npt.NDArray[np.int32]:
    """Order in which points that lie near each other stand near each other.

    Parameters
    ----------
    places : shape (H, K)
        One point per hash bucket; H / `group` is a power of two.
    group
        Buckets whose order no longer matters, since a convolution sees them as its channels.

    Returns
    -------
    shape (H,), a permutation: `order[i]` is the bucket that stands at place i.

    References
    ----------
    Friedman, Bentley and Finkel, An Algorithm for Finding Best Matches in Logarithmic Expected
    Time, 1977 (the k-d tree; here split along the principal direction).

    Examples
    --------
    >>> points = np.array([[0.0], [5.0], [0.1], [5.1]], dtype=np.float32)
    >>> sorted(bisect_order(points, group=2)[:2].tolist())
    [0, 2]
    """
    order = np.arange(len(places), dtype=np.int32)
    width = len(order)
    while width > group:
        for first in range(0, len(order), width):
            block = order[first : first + width]
            points = places[block]
            points = points - points.mean(axis=0)
            direction = _principal_direction(points.T @ points)
            order[first : first + width] = block[np.argsort(points @ direction, kind="stable")]
        width //= 2
    return order


def _principal_direction(covariance: FloatArray) -> FloatArray:
    """Direction of most variance, (K, K) -> (K,), by power iteration.

    Splitting by nearly that direction does as well, and a thousand exact ones take seconds.
    """
    direction = covariance[:, np.argmax(np.diag(covariance))]
    for _ in range(_N_POWER):
        length = np.linalg.norm(direction)
        if not length:
            break  # all points are the same
        direction = covariance @ (direction / length)
    return direction
