#!/usr/bin/env python3
"""Makes money_cases.tsv: sums of money by Python's decimal module, which src/catalogue/money_test.cc must agree with.

money_cases.py            writes the table to standard output
money_cases.py --check    compares it with the file; exit code 1 if they differ
"""
import decimal
import pathlib
import random
import sys

DECIMALS = 18
MOST = 2 ** 127 - 1
D = decimal.Decimal
decimal.getcontext().prec = 300
decimal.getcontext().Emax = decimal.MAX_EMAX
decimal.getcontext().Emin = decimal.MIN_EMIN


def attos(value):
    """The whole number of attos, or None where there is none or it does not fit."""
    scaled = value.scaleb(DECIMALS)
    if scaled != scaled.to_integral_value() or not -MOST - 1 <= scaled <= MOST:
        return None
    return int(scaled)


def shown(value):
    if attos(value) is None:
        return "error"
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "0", "") else text


def amount(rng):
    """A number as somebody would write it, mostly of the size of prices and bills, and now and then at the edges."""
    digits = rng.choice([1, 2, 3, 5, 8, 13, 18, 25, 38])
    whole = str(rng.randrange(10 ** (digits - 1) if digits > 1 else 0, 10 ** digits))
    sign = rng.choice(["", "", "", "-"])
    form = rng.randrange(4)
    if form == 0:
        return sign + whole
    if form == 1:
        return f"{sign}{rng.choice(['0', '1', '17', whole])}.{'0' * rng.randrange(12)}{whole}"
    if form == 2:
        return f"{sign}{whole}{rng.choice('eE')}{rng.choice(['-', '-', '-', '+', ''])}{rng.randrange(25)}"
    return f"{sign}{whole[0]}.{whole[1:] or '0'}e-{rng.randrange(1, 22):02d}"


def good_amount(rng):
    while True:
        text = amount(rng)
        if attos(D(text)) is not None:
            return text


def cost(rng):
    """Five rates and five counts (input, cached, written, output, reasoning), and the bill."""
    rates = [D(rng.randrange(1, 10 ** rng.randrange(1, 6))).scaleb(-rng.randrange(6, 13)) for _ in range(5)]
    top = 10 ** rng.randrange(1, 10)
    cached, written, plain, reasoning, said = (rng.randrange(top) for _ in range(5))
    bill = plain * rates[0] + cached * rates[1] + written * rates[2] + said * rates[3] + reasoning * rates[4]
    counts = [cached + written + plain, cached, written, said + reasoning, reasoning]
    return [*(format(rate, "f") for rate in rates), *map(str, counts), shown(bill)]


def rows():
    rng = random.Random(20260801)
    edge = D(MOST).scaleb(-DECIMALS)
    atto = D(1).scaleb(-DECIMALS)
    for text in [format(edge, "f"), format(edge + atto, "f"), format(-edge - atto, "f"), format(-edge - 2 * atto, "f"), "0", "-0",
                 "0.0", "0e-400", "1e-18", "1e-19", "10e-19", "1e20", "1e21", "2.5e-06", "0.0000025", "1.8e20", "-1E+2",
                 "3.3333333333333335e-05"]:
        yield ["parse", text, shown(D(text))]
    for _ in range(300):
        text = amount(rng)
        yield ["parse", text, shown(D(text))]
    for _ in range(250):
        text, count = good_amount(rng), rng.choice([rng.randrange(10 ** rng.randrange(1, 19)), -rng.randrange(1000)])
        yield ["times", text, str(count), shown(D(text) * count)]
    for _ in range(250):
        a, b = good_amount(rng), good_amount(rng)
        yield ["plus", a, b, shown(D(a) + D(b))]
        yield ["minus", a, b, shown(D(a) - D(b))]
    for _ in range(150):
        text, by = good_amount(rng), rng.choice([2, 3, 4, 7, 10, 1000, 1000000, rng.randrange(1, 10 ** 6)])
        whole = attos(D(text))
        yield ["divide", text, str(by), shown(D(whole // by).scaleb(-DECIMALS)) if whole % by == 0 else "error"]
    for _ in range(200):
        text, to = good_amount(rng), rng.randrange(19)
        yield ["round", text, str(to), shown(D(text).quantize(D(1).scaleb(-to), decimal.ROUND_HALF_EVEN))]
    for text, to in [("0.5", 0), ("1.5", 0), ("2.5", 0), ("-0.5", 0), ("-1.5", 0), ("0.125", 2), ("0.135", 2), ("-0.005", 2)]:
        yield ["round", text, str(to), shown(D(text).quantize(D(1).scaleb(-to), decimal.ROUND_HALF_EVEN))]
    for _ in range(200):
        yield ["cost", *cost(rng)]


def main():
    text = "".join("\t".join(row) + "\n" for row in rows())
    if "--check" in sys.argv[1:]:
        return 0 if (pathlib.Path(__file__).parent / "money_cases.tsv").read_text() == text else 1
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
