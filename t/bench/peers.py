"""The programs that ours are compared with. Runs in the Python of $BENCH_VENV; bench.py starts it.

    peers.py versions                     one JSON object: the packages that are there
    peers.py export MODEL OUTPUT          an ONNX file, its int8 twin and a CTranslate2 folder of a model, in OUTPUT
    peers.py start KIND MODEL TEXT        loads everything, classifies TEXT, prints the label (torch, onnxruntime)
    peers.py serve                        orders as JSON lines on stdin, an answer line for each

Orders: {"op":"load","kind":K,...}, then "train", "infer", "latency" or "tokenise". What is measured is what the library
does from token ids to logits (tokenisers: from text to ids); loading, and a first run of every shape's kind, are not.
A failure is an answer too: {"error": "..."}.
"""
import importlib.metadata
import json
import os
import pathlib
import random
import resource
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


def read_rows(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def batches_of(rows, size, order):
    """`sorted` as a tuned user does it: batches of one length, longest first."""
    if order == "sorted":
        rows = sorted(rows, key=lambda row: len(row["ids"]), reverse=True)
    return [rows[i:i + size] for i in range(0, len(rows), size)]


# ---- PyTorch with Transformers ----

class Torch:
    def load(self, order):
        import torch
        import transformers
        self.torch = torch
        torch.set_num_threads(order["threads"])
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        torch.manual_seed(42)
        self.precision = order["precision"]
        self.model = transformers.BertForSequenceClassification.from_pretrained(order["model"])
        self.model.float()
        if order.get("training"):
            self.model.train()
            parameters = list(self.model.parameters())
            try:
                self.optimiser = torch.optim.AdamW(parameters, lr=5e-5, weight_decay=0.0, fused=True)
            except (RuntimeError, TypeError):
                self.optimiser = torch.optim.AdamW(parameters, lr=5e-5, weight_decay=0.0)
        else:
            self.model.eval()
            if self.precision == "bf16":
                self.model.to(torch.bfloat16)

    def tensors(self, batch):
        longest = max(len(row["ids"]) for row in batch)
        ids = self.torch.tensor([row["ids"] + [0] * (longest - len(row["ids"])) for row in batch])
        mask = self.torch.tensor([[1] * len(row["ids"]) + [0] * (longest - len(row["ids"])) for row in batch])
        return ids, mask

    def step(self, batch):
        torch = self.torch
        ids, mask = self.tensors(batch)
        labels = torch.tensor([row["label"] for row in batch])
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.precision == "bf16"):
            loss = self.model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()
        return float(loss.detach())

    def train(self, order):
        """Steps over the rows in their order; stops early where the cap would be passed."""
        batches = batches_of(read_rows(order["rows"]), order["batch"], "mixed")
        if order.get("warm"):
            for batch in batches[:order["warm"]]:
                self.step(batch)
        started, rows, tokens, loss = time.perf_counter(), 0, 0, 0.0
        for batch in batches:
            loss = self.step(batch)
            rows += len(batch)
            tokens += sum(len(row["ids"]) for row in batch)
            if time.perf_counter() - started > order["cap"]:
                break
        return {"rows": rows, "tokens": tokens, "seconds": time.perf_counter() - started, "loss": loss,
                "cut": rows < sum(map(len, batches))}

    def logits(self, batch):
        ids, mask = self.tensors(batch)
        with self.torch.inference_mode():
            return self.model(input_ids=ids, attention_mask=mask).logits.float().numpy()


# ---- ONNX Runtime ----

class Onnxruntime:
    def load(self, order):
        import numpy
        import onnxruntime
        self.numpy = numpy
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = order["threads"]
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        folder = pathlib.Path(order["exported"])
        name = {"f32": "model", "int8": "model-int8"}[order["precision"]]
        # Whichever of the plain export and the one from ONNX Runtime's transformer optimiser is faster here.
        best = None
        for path in sorted(folder.glob(name + ".onnx")) + sorted(folder.glob(name + "-fused.onnx")):
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            self.session, self.inputs = session, {i.name for i in session.get_inputs()}
            rows = [{"ids": [101] + [2000 + i for i in range(23)] + [102]}] * 8
            self.logits(rows)
            started = time.perf_counter()
            for _ in range(3):
                self.logits(rows)
            seconds = time.perf_counter() - started
            if best is None or seconds < best[0]:
                best = (seconds, session, path.stem)
        if best is None:
            raise RuntimeError(f"there is no {name}.onnx in {folder}; the export failed")
        _, self.session, self.variant = best
        self.inputs = {i.name for i in self.session.get_inputs()}

    def logits(self, batch):
        numpy = self.numpy
        longest = max(len(row["ids"]) for row in batch)
        ids = numpy.zeros((len(batch), longest), numpy.int64)
        mask = numpy.zeros((len(batch), longest), numpy.int64)
        for i, row in enumerate(batch):
            ids[i, :len(row["ids"])] = row["ids"]
            mask[i, :len(row["ids"])] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": numpy.zeros_like(ids)}
        return self.session.run(None, {name: feed[name] for name in self.inputs})[0]


# ---- CTranslate2 ----

class Ctranslate2:
    """Its encoder ends with the pooler; the classifier is a product of numpy's."""

    def load(self, order):
        import ctranslate2
        import numpy
        self.numpy, self.ctranslate2 = numpy, ctranslate2
        folder = pathlib.Path(order["exported"])
        self.encoder = ctranslate2.Encoder(str(folder / "ctranslate2"), device="cpu", inter_threads=1,
                                           intra_threads=order["threads"],
                                           compute_type={"f32": "float32", "int8": "int8"}[order["precision"]])
        head = numpy.load(folder / "classifier.npz")
        self.weight, self.bias = head["weight"], head["bias"]

    def logits(self, batch):
        output = self.encoder.forward_batch([row["ids"] for row in batch])
        return self.numpy.asarray(output.pooler_output) @ self.weight.T + self.bias


# ---- tokenizers ----

class Tokenizers:
    def load(self, order):
        os.environ["TOKENIZERS_PARALLELISM"] = "false" if order["threads"] == 1 else "true"
        os.environ["RAYON_NUM_THREADS"] = str(order["threads"])
        import tokenizers
        self.tokenizer = tokenizers.BertWordPieceTokenizer(order["vocabulary"], lowercase=True)
        inner = getattr(self.tokenizer, "_tokenizer", None)  # without offsets where this version can leave them out
        self.encode = getattr(inner, "encode_batch_fast", self.tokenizer.encode_batch)

    def tokenise(self, order):
        with open(order["text"], encoding="utf-8", newline="\n") as file:
            lines = file.read().split("\n")[:-1]
        self.encode(lines[:1000])
        started, ids, done = time.perf_counter(), 0, 0
        for i in range(0, len(lines), 1000):
            ids += sum(len(e.ids) for e in self.encode(lines[i:i + 1000]))
            done += sum(len(line.encode()) + 1 for line in lines[i:i + 1000])
            if time.perf_counter() - started > order["cap"]:
                break
        return {"bytes": done, "ids": ids, "seconds": time.perf_counter() - started}


KINDS = {"torch": Torch, "onnxruntime": Onnxruntime, "ctranslate2": Ctranslate2, "tokenizers": Tokenizers}


def infer(peer, order):
    rows = read_rows(order["rows"])
    batches = batches_of(rows, order["batch"], order["order"])
    if order.get("warm"):
        for batch in (batches[0], batches[-1]):
            peer.logits(batch)
    started, done, answers = time.perf_counter(), 0, {}
    for batch in batches:
        logits = peer.logits(batch)
        done += len(batch)
        answers.update((row["idx"], list(map(float, logits[i]))) for i, row in enumerate(batch))
        if time.perf_counter() - started > order["cap"]:
            break
    answer = {"rows": done, "seconds": time.perf_counter() - started, "cut": done < len(rows)}
    if order.get("logits"):
        answer["logits"] = answers
    return answer


def latency(peer, order):
    rows, seconds = read_rows(order["rows"]), []
    for i in range(order["warm"] + order["count"]):
        row = rows[i % len(rows)]
        started = time.perf_counter()
        int(peer.logits([row])[0].argmax())
        seconds.append(time.perf_counter() - started)
    return {"seconds": seconds[order["warm"]:]}


def serve():
    peer = None
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    for line in sys.stdin:
        order = json.loads(line)
        try:
            if order["op"] == "load":
                started = time.perf_counter()
                peer = KINDS[order["kind"]]()
                peer.load(order)
                answer = {"seconds": time.perf_counter() - started, "variant": getattr(peer, "variant", None)}
            elif order["op"] in ("train", "tokenise"):
                answer = getattr(peer, order["op"])(order)
            else:
                answer = {"infer": infer, "latency": latency}[order["op"]](peer, order)
        except Exception as error:  # the bench goes on with the others
            answer = {"error": f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"}
        answer["rss_kib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        out.write(json.dumps(answer) + "\n")
        out.flush()


# ---- files for the runtimes ----

def export_onnx(model, output):
    import torch
    ids = torch.tensor([[101, 2023, 2003, 102], [101, 2023, 102, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    axes = {0: "batch", 1: "length"}
    names = ["input_ids", "attention_mask", "token_type_ids"]
    path = output / "model.onnx"
    arguments = dict(input_names=names, output_names=["logits"], opset_version=17,
                     dynamic_axes={**{name: axes for name in names}, "logits": {0: "batch"}})
    inputs = (ids, mask, torch.zeros_like(ids))
    try:  # the graph that ONNX Runtime's fusions know best
        torch.onnx.export(model, inputs, str(path), dynamo=False, **arguments)
    except Exception as error:
        print(f"peers: the older exporter failed ({error}); the newer one", file=sys.stderr)
        batch, length = torch.export.Dim("batch"), torch.export.Dim("length")
        torch.onnx.export(model, inputs, str(path), dynamo=True, input_names=names, output_names=["logits"],
                          opset_version=18, external_data=False, dynamic_shapes=({0: batch, 1: length},) * 3)
    return path


def export(model_folder, output):
    """Plain and fused ONNX files, both also quantised as ONNX Runtime's own dynamic quantisation does it. What fails is
    said; the others are there."""
    import numpy
    import transformers
    output = pathlib.Path(output)
    output.mkdir(parents=True, exist_ok=True)
    model = transformers.BertForSequenceClassification.from_pretrained(model_folder, attn_implementation="eager")
    model.eval().float()
    numpy.savez(output / "classifier.npz", weight=model.classifier.weight.detach().numpy(),
                bias=model.classifier.bias.detach().numpy())

    def attempt(name, function):
        try:
            function()
        except Exception as error:
            print(f"peers: {name}: {type(error).__name__}: {error}", file=sys.stderr)

    def onnx():
        export_onnx(model, output)

    def fused():
        from onnxruntime.transformers import optimizer
        config = model.config
        optimised = optimizer.optimize_model(str(output / "model.onnx"), model_type="bert", opt_level=1,
                                             num_heads=config.num_attention_heads, hidden_size=config.hidden_size)
        optimised.save_model_to_file(str(output / "model-fused.onnx"))

    def quantised(source, target):
        from onnx import TensorProto
        from onnxruntime.quantization import QuantType, quantize_dynamic
        quantize_dynamic(str(output / source), str(output / target), weight_type=QuantType.QInt8,
                         extra_options={"DefaultTensorType": TensorProto.FLOAT})

    def ctranslate2():
        from ctranslate2.converters import TransformersConverter
        TransformersConverter(model_folder).convert(str(output / "ctranslate2"), force=True)

    attempt("onnx", onnx)
    attempt("onnx fused", fused)
    attempt("onnx int8", lambda: quantised("model.onnx", "model-int8.onnx"))
    attempt("onnx int8 fused", lambda: quantised("model-fused.onnx", "model-int8-fused.onnx"))
    attempt("ctranslate2", ctranslate2)


def start(kind, model, text):
    """From nothing to a label, as a small script of a user's would do it."""
    if kind == "torch":
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer
        tokenizer = AutoTokenizer.from_pretrained(model)
        network = AutoModelForSequenceClassification.from_pretrained(model).eval()
        with torch.inference_mode():
            print(int(network(**tokenizer(text, return_tensors="pt")).logits.argmax()), flush=True)
        return
    import numpy
    import onnxruntime
    import tokenizers
    tokenizer = tokenizers.BertWordPieceTokenizer(os.path.join(model, "vocab.txt"), lowercase=True)
    path = next(iter(sorted(pathlib.Path(os.environ["BENCH_EXPORTED"]).glob("model*.onnx"))))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    encoded = tokenizer.encode(text)
    feed = {"input_ids": numpy.array([encoded.ids]), "attention_mask": numpy.array([encoded.attention_mask]),
            "token_type_ids": numpy.array([encoded.type_ids])}
    names = {i.name for i in session.get_inputs()}
    print(int(session.run(None, {k: v for k, v in feed.items() if k in names})[0].argmax()), flush=True)


def versions():
    result = {"python": sys.version.split()[0]}
    for name in "torch", "transformers", "tokenizers", "onnxruntime", "ctranslate2":
        try:
            result[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    print(json.dumps(result))


if __name__ == "__main__":
    random.seed(42)
    command, *arguments = sys.argv[1:]
    {"versions": versions, "export": export, "start": start, "serve": serve}[command](*arguments)
