"""The values of crates/kernels/tests/distillation.rs, from PyTorch. Prints them; they stand in the test.

    pip install torch
    python scripts/golden_distillation.py
"""
import torch
import torch.nn.functional as F

student = [[0.5, -1.25, 2.0], [3.0, 0.25, -0.75]]
teacher = torch.tensor([[1.5, -0.5, 0.25], [-1.0, 2.5, 4.0]], dtype=torch.float64)


def literal(v):
    """Six digits as Rust writes them, in groups of three."""
    whole, part = f"{v:.6f}".rstrip("0").split(".")
    return f"{whole}.{part[:3]}" + (f"_{part[3:]}" if part[3:] else "") + ("0" if not part else "")


def show(name, values, form):
    print(f"const {name}: {form} = [")
    for row in values:
        print("    [" + ", ".join(literal(v) for v in row) + "],")
    print("];")


def softmax(x, t):
    kl = F.kl_div((x / t).log_softmax(1), (teacher / t).log_softmax(1), reduction="none", log_target=True)
    return t * t * kl.sum(1)


def sigmoid(x, t):
    p = (teacher / t).sigmoid()
    entropy = F.binary_cross_entropy(p, p, reduction="none")
    return t * t * (F.binary_cross_entropy_with_logits(x / t, p, reduction="none") - entropy).mean(1)


for name, loss in (("SOFTMAX", softmax), ("SIGMOID", sigmoid)):
    losses, slopes = [], []
    for t in (1.0, 2.0, 5.0):
        x = torch.tensor(student, dtype=torch.float64, requires_grad=True)
        rows = loss(x, t)
        rows.sum().backward()
        losses.append(rows.tolist())
        slopes.append(x.grad.flatten().tolist())
    show(f"{name}", losses, "[[f32; 2]; 3]")
    show(f"{name}_SLOPES", slopes, "[[f32; 6]; 3]")

# Relations of one sequence of three tokens, two heads, a student of width 4 and a teacher of width 6.
x = (torch.arange(12, dtype=torch.float64).reshape(3, 4) * 0.7).sin().requires_grad_()
y = (torch.arange(18, dtype=torch.float64).reshape(3, 6) * 0.3).cos() * 1.5


def log_relations(v):
    heads = v.reshape(3, 2, -1).transpose(0, 1)
    return (heads @ heads.transpose(1, 2) / heads.shape[2] ** 0.5).log_softmax(2)


loss = F.kl_div(log_relations(x), log_relations(y), reduction="none", log_target=True).sum(2).mean()
loss.backward()
print(f"const RELATION: f32 = {literal(loss.item())};")
show("RELATION_SLOPES", x.grad.tolist(), "[[f32; 4]; 3]")
