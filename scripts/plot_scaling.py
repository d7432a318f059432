"""Draws the cost of a training step as rows, length, width, layers and threads grow, as an SVG.

    python plot_scaling.py < lines > docs/scaling.svg
Each line of the input: `NAME VALUE JSON`, the JSON from `filbert bench --train-step --json`. Both axes are logarithmic, and
each curve is relative to its first point; the dashed line is cost in proportion.
"""
import json, math, sys

curves = {}
for line in sys.stdin:
    name, value, result = line.split(None, 2)
    curves.setdefault(name, []).append((float(value), json.loads(result)["step_ms"]))
W, H, M = 720, 440, 56
LIMIT = 64.0
colours = ["#1b6ca8", "#c1432e", "#3b8c4b", "#8a5ab5", "#b8860b"]
x = lambda v: M + (W - 2 * M) * math.log(v) / math.log(LIMIT)
y = lambda v: H - M - (H - 2 * M) * math.log(max(v, 0.4) / 0.4) / math.log(LIMIT / 0.4)
out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {W} {H}" font-family="sans-serif" font-size="13">',
       f'<rect width="{W}" height="{H}" fill="white"/>',
       f'<line x1="{x(1)}" y1="{y(1)}" x2="{x(LIMIT)}" y2="{y(LIMIT)}" stroke="#888" stroke-dasharray="5 4"/>']
for v in (1, 2, 4, 8, 16, 32, 64):
    out.append(f'<text x="{x(v):.0f}" y="{H - M + 20}" text-anchor="middle">{v}x</text>')
    out.append(f'<text x="{M - 8}" y="{y(v) + 4:.0f}" text-anchor="end">{v}x</text>')
    out.append(f'<line x1="{M}" x2="{W - M}" y1="{y(v):.1f}" y2="{y(v):.1f}" stroke="#eee"/>')
for colour, (name, points) in zip(colours, curves.items()):
    first = points[0]
    at = [(x(v / first[0]), y(t / first[1])) for v, t in points]
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in at)
    out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
    out += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in at]
    label = f"{name}: {first[0]:g} to {points[-1][0]:g}"
    out.append(f'<text x="{M + 16}" y="{M + 18 * len([o for o in out if "font-weight" in o])}" '
               f'fill="{colour}" font-weight="bold">{label}</text>')
out.append(f'<text x="{W / 2}" y="{H - 12}" text-anchor="middle">growth of the quantity</text>')
out.append(f'<text x="16" y="{H / 2}" transform="rotate(-90 16 {H / 2})" text-anchor="middle">growth of the time of a step</text>')
print("\n".join(out + ["</svg>"]))
