"""Golden values of BERT from PyTorch and transformers, for the tests.

    pip install torch transformers safetensors
    python scripts/golden_bert.py [--minilm DIR]

Writes crates/model/tests/golden/tiny/ (a tiny random BERT as a model folder: 2 layers, odd sizes),
tiny.json (token ids of ragged rows, labels, logits, ten losses), tiny_gradients.safetensors, and, with a folder
of all-MiniLM-L6-v2, minilm.json (texts, their token ids, and logits under a classifier whose weights are a formula).
"""
import argparse
import json
import math
import pathlib

import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, get_linear_schedule_with_warmup

OUT = pathlib.Path(__file__).resolve().parent.parent / "crates/model/tests/golden"
LR, DECAY, STEPS, WARMUP = 2e-3, 0.01, 10, 2


def batches(generator, vocabulary, positions):
    """Rows of odd lengths: one of a single token, one as long as the positions allow."""
    out = []
    for lengths in ([1, 7, 2, 13], [5, positions, 3, 4], [9, 1, 11]):
        rows = [torch.randint(1, vocabulary, (n,), generator=generator).tolist() for n in lengths]
        types = [[int(i > len(r) // 2) for i in range(len(r))] for r in rows]
        labels = torch.randint(0, 3, (len(rows),), generator=generator).tolist()
        out.append({"ids": rows, "types": types, "labels": labels})
    return out


def padded(batch):
    n = max(map(len, batch["ids"]))
    pad = lambda rows: torch.tensor([r + [0] * (n - len(r)) for r in rows])
    mask = torch.tensor([[1] * len(r) + [0] * (n - len(r)) for r in batch["ids"]])
    return {"input_ids": pad(batch["ids"]), "token_type_ids": pad(batch["types"]), "attention_mask": mask,
            "labels": torch.tensor(batch["labels"])}


def tiny():
    torch.manual_seed(7)
    config = BertConfig(vocab_size=61, hidden_size=21, num_hidden_layers=2, num_attention_heads=3, intermediate_size=37,
                        max_position_embeddings=23, type_vocab_size=2, num_labels=3, initializer_range=0.3,
                        hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1)
    model = BertForSequenceClassification(config).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith("bias") or "LayerNorm" in name:
                p.add_(0.2 * torch.randn(p.shape))
    folder = OUT / "tiny"
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    data = batches(torch.Generator().manual_seed(3), 61, 23)
    logits = []
    for b in data:
        with torch.no_grad():
            logits.append(model(**padded(b)).logits.tolist())
    model(**padded(data[0])).loss.backward()
    save_file({n: p.grad.clone() for n, p in model.named_parameters()}, OUT / "tiny_gradients.safetensors")
    plain = lambda n: n.endswith("bias") or "LayerNorm" in n
    groups = [{"params": [p for n, p in model.named_parameters() if not plain(n)], "weight_decay": DECAY},
              {"params": [p for n, p in model.named_parameters() if plain(n)], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LR)
    schedule = get_linear_schedule_with_warmup(optimizer, WARMUP, STEPS)
    model.zero_grad()
    losses, norms = [], []
    for step in range(STEPS):
        loss = model(**padded(data[step % len(data)])).loss
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)))
        optimizer.step()
        schedule.step()
        model.zero_grad()
        losses.append(loss.item())
    golden = {"torch": torch.__version__, "transformers": transformers.__version__, "batches": data, "logits": logits,
              "training": {"lr": LR, "weight_decay": DECAY, "steps": STEPS, "warmup": WARMUP, "clip_norm": 1.0,
                           "losses": losses, "gradient_norms": norms}}
    (OUT / "tiny.json").write_text(json.dumps(golden) + "\n")


TEXTS = [
    "hello world", "", "A", "The quick brown fox jumps over the lazy dog.",
    "paypal.com.secure-login.example/account?id=123&next=%2Fhome", "http://192.0.2.7:8080/~user/index.php",
    "Free entry in a weekly draw! Text WIN to 80086 now", "How far is it from Denver to Aspen ?",
    "café naïve Ångström", "東京 は 日本 の 首都", "emoji 😀 and zero\u200bwidth", "tabs\tand\nnewlines",
    "UPPER lower MiXeD", "don't can't won't", "a" * 150, "word " * 200, "[CLS] [SEP] [MASK] in text",
    "1234567890 3.14159 1e-5", "(parentheses) [brackets] {braces} <tags>", "my card was declined, what should I do?",
]


def minilm(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = BertForSequenceClassification.from_pretrained(folder, num_labels=3).eval()
    with torch.no_grad():
        w = model.classifier.weight
        w.copy_(torch.tensor([[0.1 * math.sin(1.0 + i * w.shape[1] + j) for j in range(w.shape[1])] for i in range(3)]))
        model.classifier.bias.copy_(torch.tensor([0.1, -0.2, 0.3]))
        rows = []
        for text in TEXTS:
            enc = tokenizer(text, truncation=True, max_length=128, return_tensors="pt")
            rows.append({"text": text, "ids": enc["input_ids"][0].tolist(), "logits": model(**enc).logits[0].tolist()})
    golden = {"torch": torch.__version__, "transformers": transformers.__version__, "max_length": 128, "rows": rows}
    (OUT / "minilm.json").write_text(json.dumps(golden, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--minilm")
    args = ap.parse_args()
    torch.set_num_threads(1)
    tiny()
    if args.minilm:
        minilm(args.minilm)
