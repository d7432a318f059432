"""The values of crates/kernels/tests/losses.rs, from PyTorch. Prints them; they stand in the test.

    pip install torch
    python scripts/golden_losses.py
"""
import torch
import torch.nn.functional as F

x = torch.tensor([[0.5, -1.25, 2.0], [3.0, 0.25, -0.75]], dtype=torch.float64)
y = torch.tensor([2, 1])
sets = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
w = torch.tensor([0.5, 1.0, 2.5], dtype=torch.float64)


def sigmoid(weight, smoothing):
    target = sets * (1 - smoothing) + smoothing / 2
    return F.binary_cross_entropy_with_logits(x, target, pos_weight=weight, reduction="none").mean(1)


def focal_softmax(gamma):
    p = x.softmax(1)[torch.arange(2), y]
    return -((1 - p) ** gamma) * p.log()


def focal_sigmoid(gamma):
    p = torch.where(sets == 1, x.sigmoid(), 1 - x.sigmoid())
    return (-((1 - p) ** gamma) * p.log()).mean(1)


ce = lambda **k: F.cross_entropy(x, y, reduction="none", **k)
softmax = [ce(), ce(weight=w), ce(label_smoothing=0.1), ce(weight=w, label_smoothing=0.1), focal_softmax(2)]
binary = [sigmoid(None, 0), sigmoid(w, 0), sigmoid(None, 0.1), sigmoid(w, 0.1), focal_sigmoid(2)]
for name, rows in (("SOFTMAX", softmax), ("SIGMOID", binary)):
    print(f"const {name}: [[f32; 2]; 5] = [")
    for row in rows:
        print("    [" + ", ".join(f"{v:.5f}" for v in row.tolist()) + "],")
    print("];")
