"""Loads a folder that `filbert train` wrote in transformers and compares the answers with filbert's: probabilities of classes or
labels (the temperature of filbert.json applied), or a regression's numbers. With --adapter, the same for an adapter folder of
--adapter-out on its base model in PEFT.

    pip install torch transformers peft
    python scripts/check_transformers.py MODEL [--filbert target/release/filbert] [--data ROWS.csv --text COL]
    python scripts/check_transformers.py MODEL --adapter ADAPTER --base ENCODER

Exits with 1 where an answer differs by more than 1e-4 (of a number, of its size), or where a weight was missing or unexpected.
"""
import argparse
import csv
import json
import subprocess
import sys

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

ap = argparse.ArgumentParser()
ap.add_argument("model")
ap.add_argument("--filbert", default="target/release/filbert")
ap.add_argument("--data")
ap.add_argument("--text", default="text")
ap.add_argument("--rows", type=int, default=200)
ap.add_argument("--adapter")
ap.add_argument("--base")
args = ap.parse_args()

texts = ["hello world", "paypal.com.secure-login.example/a?b=c", "Ünïcödé 東京 😀", "", "x " * 300]
if args.data:
    with open(args.data, newline="", encoding="utf-8") as file:
        texts += [row[args.text] for _, row in zip(range(args.rows), csv.DictReader(file))]
settings = json.load(open(f"{args.model}/filbert.json", encoding="utf-8"))
if settings["pooling"] != "pooler":
    sys.exit("this folder was trained with another pooling than the pooler: only filbert reproduces it")
problems = {}
if args.adapter:
    from peft import PeftModel

    config = AutoConfig.from_pretrained(args.model)
    base = AutoModelForSequenceClassification.from_pretrained(args.base, config=config)
    model = PeftModel.from_pretrained(base, args.adapter)
    folder = args.adapter
else:
    model, info = AutoModelForSequenceClassification.from_pretrained(args.model, output_loading_info=True)
    problems = {k: sorted(v) for k, v in info.items() if k in ("missing_keys", "unexpected_keys", "mismatched_keys") and v}
    config, folder = model.config, args.model
tokenizer = AutoTokenizer.from_pretrained(folder)
out = subprocess.run([args.filbert, "predict", "--model", args.model, "--json", "--quiet", "--", *texts],
                     check=True, capture_output=True, text=True).stdout
worst = 0.0
names = [config.id2label[i] for i in range(config.num_labels)]
for text, row in zip(texts, json.loads(out)["predictions"]):
    enc = tokenizer(text, truncation=True, max_length=settings["max_length"], return_tensors="pt")
    with torch.no_grad():
        logits = model.eval()(**enc).logits[0]
    if config.problem_type == "regression":
        value = logits[0].item()
        worst = max(worst, abs(value - row["value"]) / max(1.0, abs(value)))
        continue
    logits = logits / settings["temperature"]
    p = (logits.sigmoid() if config.problem_type == "multi_label_classification" else logits.softmax(-1)).tolist()
    worst = max(worst, *(abs(p[i] - row["probabilities"][name]) for i, name in enumerate(names)))
print(json.dumps({"rows": len(texts), "largest_difference": worst, "loading": problems}))
sys.exit(1 if problems or worst > 1e-4 else 0)
