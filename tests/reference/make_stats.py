#!/usr/bin/env python3
"""Write stats.json: what statsmodels and scipy answer for the statistics that the project computes itself.

mcnemar     statsmodels mcnemar(table, exact=True): pairs gained and lost, two-sided p
signflip    scipy permutation_test(permutation_type='samples') over all sign patterns of the clusters' differences
kappa       statsmodels cohens_kappa: kappa, and its 95 % interval from std_kappa (Fleiss, Cohen and Everitt 1969)
corrected   Lang and Reiczigel's equations 6, 7, 16 and 17 (no Python package has them), written out below
groups      smallest n whose power by statsmodels power_proportions_2indep is at least 80 %, plus the power at n
pairs       exact power of the two-sided McNemar test at n, summed over scipy's binomials, for n by Connor's formula
mean        scipy bootstrap(method='percentile') is seeded otherwise: not listed

Usage: make_stats.py      needs numpy, scipy, statsmodels
"""
import json
import pathlib

import numpy as np
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.proportion import power_proportions_2indep

Z = stats.norm.ppf(0.975)
FLIPS = [(12, 2, 486), (0, 3, 7), (10, 10, 80), (1, 0, 9), (40, 0, 0), (150, 100, 750), (700, 650, 0), (0, 0, 5), (33, 17, 450)]
CLUSTERS = [[3, 1, -1], [5, 5, 5, -2, 1], [1] * 8, [4, -3, 2, 2, 0, -1, 6, 1, 0, 3], [2, -2], [7, 6, 5, 4, 3, 2, 1, -1, -2, -3, 8, 9]]
TABLES = [
    [[20, 5], [10, 15]],
    [[45, 3], [2, 50]],
    [[8, 1, 0], [2, 9, 3], [0, 1, 6]],
    [[120, 4, 1, 0], [6, 80, 7, 2], [0, 3, 40, 5], [1, 0, 2, 29]],
    [[1, 9], [9, 1]],
]
CORRECTIONS = [(15, 330, 46, 50, 49, 50), (0, 330, 46, 50, 49, 50), (120, 200, 30, 40, 55, 60), (99, 100, 50, 50, 50, 50), (5, 20, 9, 10, 8, 10)]
GROUPS = [(0.05, 0.10), (0.05, 0.55), (0.5, 0.6), (0.02, 0.04), (0.9, 0.97), (0.3, 0.31)]
PAIRS = [(0.06, 0.01), (0.30, 0.10), (0.12, 0.05), (0.02, 0.005)]


def sign_flip(differences):
    out = stats.permutation_test(
        (np.array(differences),), lambda x, axis: np.abs(np.sum(x, axis=axis)), permutation_type="samples",
        vectorized=True, n_resamples=np.inf, alternative="greater")
    return float(out.pvalue)


def lang_reiczigel(k, n, k_se, n_se, k_sp, n_sp):
    value = (k / n + k_sp / n_sp - 1) / (k_se / n_se + k_sp / n_sp - 1)
    p, n1 = (k + Z**2 / 2) / (n + Z**2), n + Z**2
    se, sp, m_se, m_sp = (k_se + 1) / (n_se + 2), (k_sp + 1) / (n_sp + 2), n_se + 2, n_sp + 2
    pi = (p + sp - 1) / (se + sp - 1)
    shift = 2 * Z**2 * (pi * se * (1 - se) / m_se - (1 - pi) * sp * (1 - sp) / m_sp)
    variance = (p * (1 - p) / n1 + pi**2 * se * (1 - se) / m_se + (1 - pi) ** 2 * sp * (1 - sp) / m_sp) / (se + sp - 1) ** 2
    ends = np.clip([pi + shift - Z * np.sqrt(variance), pi + shift + Z * np.sqrt(variance)], 0, 1)
    value = float(np.clip(value, 0, 1))
    return dict(count=k, n=n, found=k_se, harmful=n_se, left=k_sp, others=n_sp,
                value=value, low=float(min(ends[0], value)), high=float(max(ends[1], value)))


def needed(p1, p2):
    def power(n):
        return float(power_proportions_2indep(p1 - p2, p2, n, return_results=False))
    low, high = 1, 1 << 24
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= 0.8 else (middle + 1, high)
    return low


def paired(gained, lost):
    psi, delta = gained + lost, abs(gained - lost)
    n = int(np.ceil(((Z * np.sqrt(psi) + stats.norm.ppf(0.8) * np.sqrt(psi - delta**2)) / delta) ** 2))
    power = 0.0
    for m in range(n + 1):
        k = np.arange(m + 1)
        p = np.minimum(1, 2 * stats.binom.cdf(np.minimum(k, m - k), m, 0.5))
        power += stats.binom.pmf(m, n, psi) * stats.binom.pmf(k, m, gained / psi)[p <= 0.05].sum()
    return n, float(power)


def main():
    out = {"mcnemar": [], "signflip": [], "kappa": [], "corrected": [], "groups": [], "pairs": []}
    for gained, lost, same in FLIPS:
        p = mcnemar([[same, lost], [gained, 0]], exact=True).pvalue
        out["mcnemar"].append(dict(gained=gained, lost=lost, same=same, p=float(min(p, 1.0))))
    for differences in CLUSTERS:
        out["signflip"].append(dict(differences=differences, p=sign_flip(differences)))
    for table in TABLES:
        found = cohens_kappa(np.array(table))
        out["kappa"].append(dict(table=table, kappa=float(found.kappa), low=float(max(-1, found.kappa_low)), high=float(min(1, found.kappa_upp))))
    for case in CORRECTIONS:
        out["corrected"].append(lang_reiczigel(*case))
    for p1, p2 in GROUPS:
        out["groups"].append(dict(first=p1, second=p2, n=needed(p1, p2)))
    for gained, lost in PAIRS:
        n, power = paired(gained, lost)
        out["pairs"].append(dict(gained=gained, lost=lost, n=n, exact_power=power))
    pathlib.Path(__file__).with_name("stats.json").write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
