#!/usr/bin/env python3
"""Runs the built programs as users do: exit codes, one-line errors, one JSON document, Ctrl-C.

Usage: programs_test.py BIN_DIR MODEL.gguf
"""

import json
import math
import os
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
import unittest

import broken_models

BIN = pathlib.Path()
MODEL = pathlib.Path()
WORK = pathlib.Path()
PROMPT = "Once upon a time"

INSPECT_KEYS = """architecture n_layers d_model n_heads n_kv_heads d_ff n_experts top_k n_vocab total_params active_params file_bytes
    weight_bytes active_weight_bytes padding_bytes bits_per_weight memory_needed_bytes tensors_by_type""".split()
COST_KEYS = """total_params active_params active_params_per_token params_touched experts_touched experts_per_token weight_bytes
    weight_bytes_by_role kv_read_bytes kv_write_bytes disk_bytes flops seconds gb_s bandwidth_share flops_share""".split()
ROLES = "embedding attention router experts shared_experts ffn norms head other".split()
BENCH_KEYS = """n_prompt n_gen avg_ts stddev_ts samples_ts n_threads model_type model_size model_n_params test active_params
    bytes_per_token gb_s bandwidth_share gflops flops_share isa""".split()


def environment(**extra):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SISKIN_") or k == "SISKIN_ISA"}
    # One measurement of the machine serves every run here, and the user's cache stays as it is.
    return {**kept, "XDG_CACHE_HOME": str(WORK / "cache"), **extra}


def run(program, *args, stdin=None, **env):
    return subprocess.run(
        [BIN / program, *map(str, args)], capture_output=True, text=True, errors="replace", timeout=300, input=stdin, env=environment(**env)
    )


def siskin(*args, **kwargs):
    return run("siskin", *args, **kwargs)


class Case(unittest.TestCase):
    def refused(self, result, status, *words, program="siskin"):
        """Exit status, nothing on stdout, one line on stderr that begins with the program's name and holds the words."""
        lines = result.stderr.splitlines()
        self.assertEqual((result.returncode, result.stdout, len(lines)), (status, "", 1), result.stderr)
        self.assertTrue(lines[0].startswith(program + ": "), lines[0])
        for word in words:
            self.assertIn(word, lines[0])

    def document(self, result):
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return json.loads(result.stdout)

    def has_keys(self, document, keys):
        self.assertEqual([key for key in keys if key not in document], [])


class Usage(Case):
    def test_help_and_version(self):
        for program, args in [("siskin", []), ("siskin", ["run"]), ("siskin", ["eval"]), ("siskin-bench", [])]:
            helped, versioned = run(program, *args, "--help"), run(program, *args, "--version")
            self.assertEqual((helped.returncode, helped.stderr), (0, ""))
            self.assertIn("Usage: " + program, helped.stdout)
            self.assertRegex(versioned.stdout, rf"^{program} \d+\.\d+\.\d+\n$")

    def test_unknown_names(self):
        self.refused(siskin(), 2)
        self.refused(siskin("runn", MODEL), 2, "runn")
        self.refused(siskin("--jsn"), 2, "--jsn")
        self.refused(siskin("run", MODEL, "-p", PROMPT, "--tempp", "1"), 2, "--tempp")
        self.refused(run("siskin-bench", "-m", MODEL, "--reps", "1"), 2, "--reps", program="siskin-bench")

    def test_not_built(self):
        helped = siskin("--help").stdout
        for name in "prune serve calibrate teach embed classify".split():
            self.refused(siskin(name, MODEL), 2, name, "not built yet")
            self.assertNotRegex(helped, rf"(?m)^\s+{name}\b")
        self.refused(siskin("run", MODEL, "-p", PROMPT, "--chat"), 2, "--chat", "not built yet")
        self.refused(siskin("quantize", MODEL, WORK / "q.gguf", "--type", "q8_0", "--method", "gptq"), 2, "gptq", "not built yet")
        self.refused(run("siskin-bench", "-m", MODEL, "--sparse-vs-dense"), 2, "not built yet", program="siskin-bench")

    def test_missing_arguments(self):
        self.refused(siskin("run", "-p", PROMPT), 2, "--model")
        self.refused(siskin("run", MODEL), 2, "-p")
        self.refused(siskin("eval", MODEL), 2, "--text")
        self.refused(siskin("tokenize", MODEL), 2, "-p")
        self.refused(siskin("quantize", MODEL, WORK / "q.gguf"), 2, "--type")

    def test_numbers_out_of_range(self):
        for flags in [["--kv", "q3"], ["-c", "-5"], ["-c", "many"], ["-t", "0"], ["-t", "-1"], ["-n", "-2"], ["-b", "0"], ["--temp", "nan"],
                      ["--top-p", "1.5"], ["--seed", "99999999999999999999"], ["-n", "1e3"]]:
            self.refused(siskin("run", MODEL, "-p", PROMPT, *flags), 2, "'" + flags[1] + "'")
        self.refused(siskin("run", MODEL, "-p", PROMPT, SISKIN_CTX="lots"), 2, "--ctx", "lots")

    def test_absurd_ctx(self):
        for ctx in [10**9, 10**12]:
            result = siskin("run", MODEL, "-p", PROMPT, "-c", ctx)
            self.refused(result, result.returncode)
            self.assertIn(result.returncode, (1, 2))
        self.refused(siskin("run", MODEL, "-p", PROMPT, "-c", 10**18), 2, "--ctx")


class BrokenModels(Case):
    def broken(self, make):
        path = WORK / (make.__name__ + ".gguf")
        path.write_bytes(make(MODEL.read_bytes()))
        return path

    def test_missing_file(self):
        absent = WORK / "absent.gguf"
        for command in (["inspect", absent], ["run", absent, "-p", PROMPT], ["tokenize", absent, "-p", PROMPT],
                        ["eval", absent, "--text", __file__], ["quantize", absent, WORK / "q.gguf", "--type", "q8_0"]):
            self.refused(siskin(*command), 1, "absent.gguf")
        self.refused(run("siskin-bench", "-m", absent, "-r", "1"), 1, "absent.gguf", program="siskin-bench")
        self.refused(siskin("run", MODEL, "-f", WORK / "absent.txt"), 1, "absent.txt")

    def test_empty_places(self):
        (WORK / "empty.gguf").write_bytes(b"")
        (WORK / "folder").mkdir(exist_ok=True)
        self.refused(siskin("inspect", WORK / "empty.gguf"), 1, "empty.gguf")
        self.refused(siskin("inspect", WORK / "folder"), 1, "folder")

    def test_broken_files(self):
        for make in (broken_models.truncated, broken_models.cut_in_header, broken_models.wrong_magic, broken_models.huge_counts,
                     broken_models.lying_tensor_size, broken_models.overflowing_tensor_size, broken_models.data_outside_file,
                     broken_models.unknown_architecture):
            with self.subTest(make.__name__):
                path = self.broken(make)
                self.refused(siskin("inspect", path), 1, path.name)
                self.refused(siskin("run", path, "-p", PROMPT), 1, path.name)

    def test_without_tokenizer(self):
        path = self.broken(broken_models.without_tokenizer)
        self.assertEqual(self.document(siskin("inspect", path, "--json"))["tokenizer"], "none")
        self.refused(siskin("run", path, "-p", PROMPT), 1, "tokenizer")
        self.refused(siskin("tokenize", path, "-p", PROMPT), 1, "tokenizer")
        rows = self.document(run("siskin-bench", "-m", path, "-p", "8", "-n", "4", "-r", "1", "-o", "json"))
        self.assertEqual(len(rows), 2)


class Documents(Case):
    def test_inspect(self):
        document = self.document(siskin("inspect", MODEL, "--json"))
        self.has_keys(document, INSPECT_KEYS)
        self.assertEqual(document["file_bytes"], MODEL.stat().st_size)
        self.assertEqual(sum(t["params"] for t in document["tensors_by_type"].values()), document["total_params"])

    def test_tokenize_and_back(self):
        document = self.document(siskin("tokenize", MODEL, "-p", PROMPT, "--json"))
        self.has_keys(document, ["ids", "pieces"])
        self.assertEqual(len(document["ids"]), len(document["pieces"]))
        for ids in (json.dumps(document["ids"]), " ".join(map(str, document["ids"]))):
            back = self.document(siskin("tokenize", MODEL, "--decode", "-p", ids, "--json"))
            self.assertEqual((back["text"], back["ids"]), (PROMPT, document["ids"]))
        words = siskin("tokenize", MODEL, "--decode", *document["ids"])
        self.assertEqual((words.returncode, words.stdout), (0, PROMPT + "\n"))
        self.refused(siskin("tokenize", MODEL, "--decode", 10**9), 2, "1000000000")

    def test_run(self):
        flags = ["-p", PROMPT, "-n", "12", "--temp", "0", "--ignore-eos"]
        document = self.document(siskin("run", MODEL, *flags, "--json"))
        self.has_keys(document, "text ids prompt_tokens tokens finish_reason timing cost".split())
        self.has_keys(document["timing"], "load_s prefill_s decode_s prefill_tok_s decode_tok_s".split())
        self.assertEqual((document["tokens"], document["finish_reason"], len(document["ids"])), (12, "length", 12))
        for phase in ("prefill", "decode"):
            cost = document["cost"][phase]
            self.has_keys(cost, COST_KEYS)
            self.has_keys(cost["weight_bytes_by_role"], ROLES)
            self.assertEqual(sum(cost["weight_bytes_by_role"].values()), cost["weight_bytes"])
        streamed = siskin("run", MODEL, *flags)
        self.assertEqual((streamed.returncode, streamed.stdout), (0, document["text"] + "\n"))
        by_file = WORK / "prompt.txt"
        by_file.write_text(PROMPT + "\n")
        self.assertEqual(siskin("run", MODEL, "-f", by_file, *flags[2:]).stdout, streamed.stdout)
        self.assertEqual(siskin("run", MODEL, "-f", "-", *flags[2:], stdin=PROMPT).stdout, streamed.stdout)

    def test_run_kv(self):
        flags = ["-p", PROMPT, "-n", "4", "--temp", "0", "--ignore-eos", "--json"]
        written = {kv: self.document(siskin("run", MODEL, *flags, "--kv", kv))["cost"]["decode"]["kv_write_bytes"]
                   for kv in ["f16", "bf16", "f32", "q8_0"]}
        self.assertEqual(written["bf16"], written["f16"])
        self.assertEqual(written["f32"], 2 * written["f16"])
        self.assertLess(written["q8_0"], 0.6 * written["f16"])

    def test_run_environment(self):
        document = self.document(siskin("run", "-p", PROMPT, "--ignore-eos", "--json", SISKIN_MODEL=str(MODEL), SISKIN_PREDICT="3",
                                        SISKIN_THREADS="1"))
        self.assertEqual((document["tokens"], document["threads"]), (3, 1))

    def test_run_seed_and_stop(self):
        flags = ["-p", PROMPT, "-n", "24", "--ignore-eos", "--json"]
        one, again, other = (self.document(siskin("run", MODEL, *flags, "--seed", seed))["ids"] for seed in (1, 1, 2))
        self.assertEqual(one, again)
        self.assertNotEqual(one, other)
        greedy = self.document(siskin("run", MODEL, *flags, "--temp", "0"))
        stop = greedy["text"][6:10]
        stopped = self.document(siskin("run", MODEL, *flags, "--temp", "0", "--stop", stop))
        self.assertEqual(stopped["finish_reason"], "stop")
        self.assertEqual(stopped["text"], greedy["text"][: greedy["text"].index(stop)])

    def test_run_report(self):
        result = siskin("run", MODEL, "-p", PROMPT, "-n", "8", "--report")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        for word in ("kernels", "prefill", "decode", "attention", "machine"):
            self.assertIn(word, result.stdout)

    def test_eval(self):
        text = WORK / "text.txt"
        text.write_text("The little bird sat on the tree and sang a song for the sun. " * 60)
        window = ["--text", text, "-c", "64", "--json"]
        prefill = self.document(siskin("eval", MODEL, *window))
        decode = self.document(siskin("eval", MODEL, *window, "--path", "decode"))
        for document, path in ((prefill, "prefill"), (decode, "decode")):
            self.has_keys(document, "perplexity perplexity_stderr bits_per_byte tokens chunks path".split())
            self.assertEqual(document["path"], path)
            self.assertTrue(math.isfinite(document["perplexity"]) and document["perplexity"] >= 1)
        self.assertLess(abs(math.log(prefill["perplexity"] / decode["perplexity"])), 0.02)
        self.assertEqual(self.document(siskin("eval", MODEL, *window, "--chunks", "2"))["chunks"], 2)
        same = self.document(siskin("eval", MODEL, *window, "--against", MODEL))
        self.has_keys(same, "kld_mean kld_p99 same_top ppl_ratio ppl_ratio_stderr".split())
        self.assertAlmostEqual(same["kld_mean"], 0, places=5)
        self.assertEqual(same["same_top"], 1)
        self.assertAlmostEqual(same["ppl_ratio"], 1, places=6)

    def test_eval_items_and_tasks(self):
        items, tasks = WORK / "items.jsonl", WORK / "tasks.jsonl"
        items.write_text("\n".join(json.dumps({"text": f"{PROMPT} there were {n} birds."}) for n in range(20)) + "\n")
        tasks.write_text("\n".join(json.dumps({"prompt": PROMPT, "choices": [" there was a", " zqx kvj"], "answer": n % 2}) for n in range(20)))
        document = self.document(siskin("eval", MODEL, "--items", items, "--json"))
        self.assertEqual((document["n"], len(document["items"])), (20, 20))
        nats = sum(item["nll"] for item in document["items"])
        self.assertAlmostEqual(document["bits_per_byte"], nats / math.log(2) / sum(item["bytes"] for item in document["items"]))
        document = self.document(siskin("eval", MODEL, "--tasks", tasks, "--json"))
        self.assertEqual((document["n"], document["accuracy"]), (20, 0.5))
        self.assertAlmostEqual(document["accuracy_stderr"], math.sqrt(0.25 / 19))
        tasks.write_text('{"prompt": "a", "choices": ["x", "y"], "answer": 2}\n')
        self.refused(siskin("eval", MODEL, "--tasks", tasks), 1, "tasks.jsonl", "answer")
        tasks.write_text("not json\n")
        self.refused(siskin("eval", MODEL, "--tasks", tasks), 1, "tasks.jsonl:1")

    def test_quantize(self):
        out = WORK / "q8.gguf"
        document = self.document(siskin("quantize", MODEL, out, "--type", "q8_0", "--json"))
        self.has_keys(document, "types bits_per_weight bytes seconds".split())
        self.assertEqual(document["bytes"], out.stat().st_size)
        self.assertLess(out.stat().st_size, MODEL.stat().st_size)
        self.assertEqual(self.document(siskin("inspect", out, "--json"))["type"], "Q8_0")
        bad = siskin("quantize", MODEL, WORK / "bad.gguf", "--type", "q9_9")
        self.refused(bad, 2, "q9_9")
        self.assertFalse((WORK / "bad.gguf").exists())

    def test_convert(self):
        folder, out = pathlib.Path(__file__).parent.parent / "golden/families/qwen2", WORK / "qwen2.gguf"
        document = self.document(siskin("convert", folder, out, "--json"))
        self.has_keys(document, "types bits_per_weight bytes seconds".split())
        self.assertEqual(document["bytes"], out.stat().st_size)
        shown = self.document(siskin("inspect", out, "--json"))
        self.assertEqual((shown["architecture"], shown["type"]), ("qwen2", "F16"))
        self.document(siskin("convert", folder, out, "--type", "bf16", "--json"))
        self.assertEqual(self.document(siskin("inspect", out, "--json"))["type"], "BF16")
        self.refused(siskin("convert", folder, WORK / "bad.gguf", "--type", "q9_9"), 2, "q9_9")
        self.refused(siskin("convert", MODEL, WORK / "bad.gguf"), 2, "is no folder")
        self.refused(siskin("convert", WORK / "absent", WORK / "bad.gguf"), 1, "absent")
        self.refused(siskin("convert", folder), 2, "OUT")
        self.assertFalse((WORK / "bad.gguf").exists())
        quantized = WORK / "qwen2-w8a8"
        self.assertIn("w8a8", self.document(siskin("quantize", folder, quantized, "--type", "w8a8", "--json"))["types"])
        self.refused(siskin("quantize", folder, quantized, "--type", "w8a8"), 2, "is there already")

    def test_pack(self):
        out = WORK / "m.packed"
        document = self.document(siskin("pack", MODEL, out, "--json"))
        self.has_keys(document, "tensors bytes padding_bytes seconds".split())
        self.assertEqual(document["bytes"], out.stat().st_size)
        flags = ["-p", PROMPT, "-n", "8", "--temp", "0", "--json"]
        packed, plain = (self.document(siskin("run", path, *flags)) for path in (out, MODEL))
        self.assertEqual(packed["text"], plain["text"])
        self.assertEqual(packed["cost"]["decode"]["weight_bytes"], plain["cost"]["decode"]["weight_bytes"])
        shown, source = (self.document(siskin("inspect", path, "--json")) for path in (out, MODEL))
        self.assertEqual(shown["weight_bytes"], source["weight_bytes"])
        self.refused(siskin("pack", out, WORK / "twice.packed"), 1, "packed already")
        self.refused(siskin("quantize", out, WORK / "q.gguf", "--type", "q8_0"), 1, "packed file")

        whole = out.read_bytes()
        for name, damaged in (("cut", whole[:-1]), ("short", whole[:100]), ("flipped", whole[:90] + bytes([whole[90] ^ 1]) + whole[91:])):
            path = WORK / (name + ".packed")
            path.write_bytes(damaged)
            self.refused(siskin("run", path, "-p", PROMPT), 1, path.name)

    def test_limited_address_space(self):
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 31, 1 << 31))
        command = [BIN / "siskin", "run", MODEL, "-p", PROMPT, "-c", "10000000"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment(), preexec_fn=limit)
        if "Sanitizer" in result.stderr:
            self.skipTest("a sanitizer needs more address space than the limit leaves")
        self.refused(result, 1, "available")

    def test_synth(self):
        out = WORK / "synth.gguf"
        flags = ["synth", out, "--like", MODEL, "--type", "q8_0", "--json"]
        document = self.document(siskin(*flags))
        self.assertEqual(document["bytes"], out.stat().st_size)
        first = out.read_bytes()
        self.document(siskin(*flags))
        self.assertEqual(out.read_bytes(), first, "the same seed writes the same bytes")
        self.assertEqual(self.document(siskin("run", out, "-p", "x", "-n", "4", "--ignore-eos", "--json"))["tokens"], 4)
        self.refused(siskin("synth", out, "--like", WORK / "no-shape.txt"), 1, "no-shape.txt")

    def test_machine(self):
        document = self.document(siskin("machine", "--json"))
        self.has_keys(document, "cpu isa threads caches read_gb_s read_gb_s_max peak_gflops fingerprint".split())
        self.has_keys(document["peak_gflops"], "f32 bf16 int8_vector int8_matrix bf16_matrix".split())
        self.assertEqual(document["read_gb_s_max"], max(row["gb_s"] for row in document["read_gb_s"]))

    def test_full_stdout(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([BIN / "siskin", "inspect", MODEL, "--json"], stdout=full, stderr=subprocess.PIPE, text=True, env=environment())
        self.assertEqual(result.returncode, 1)
        self.assertEqual(len(result.stderr.splitlines()), 1)


class Bench(Case):
    FLAGS = ["-p", "16,32", "-n", "8", "-r", "3"]

    def test_json(self):
        rows = self.document(run("siskin-bench", "-m", f"{MODEL},{MODEL}", *self.FLAGS, "-t", "1", "-o", "json"))
        self.assertEqual([row["test"] for row in rows], ["pp16", "pp32", "tg8"] * 2)
        for row in rows:
            self.has_keys(row, BENCH_KEYS)
            self.assertEqual((row["n_threads"], len(row["samples_ts"])), (1, 3))
            self.assertAlmostEqual(row["avg_ts"], sum(row["samples_ts"]) / 3, places=3)
            self.assertGreater(row["bytes_per_token"], 0)

    def test_other_outputs(self):
        text = WORK / "bench.txt"
        text.write_text("The little bird sat on the tree. " * 40)
        table = run("siskin-bench", MODEL, *self.FLAGS, "-t", "1", "--text", text, "-c", "64")
        self.assertEqual((table.returncode, table.stderr, len(table.stdout.splitlines())), (0, "", 5))
        self.assertIn("bits/byte", table.stdout)
        lines = run("siskin-bench", MODEL, *self.FLAGS, "-t", "1", "--text", text, "-c", "64", "-o", "jsonl").stdout.splitlines()
        self.assertEqual([json.loads(line)["n_gen"] for line in lines], [0, 0, 8])
        self.assertGreater(json.loads(lines[0])["bits_per_byte"], 0)
        self.assertEqual(len(run("siskin-bench", MODEL, *self.FLAGS, "-t", "1", "-o", "csv").stdout.splitlines()), 4)

    def test_peer(self):
        log = WORK / "peer.log"
        rows = json.dumps([{"n_prompt": 16, "n_gen": 0, "n_threads": 1, "avg_ts": 100.0}])
        peer = f"echo run >> '{log}'; echo 'loading a device'; echo '{rows}'"
        document = self.document(run("siskin-bench", "-m", MODEL, "-p", "16", "-n", "0", "-t", "1", "-r", "3", "-o", "json", "--peer", peer))
        self.assertEqual(len(log.read_text().splitlines()), 3)
        self.assertEqual(len(document[0]["peer"]["pairs"]), 3)
        for pair in document[0]["peer"]["pairs"]:
            self.assertAlmostEqual(pair["ratio"], pair["ours_ts"] / 100.0)
        failing = run("siskin-bench", "-m", MODEL, "-p", "16", "-n", "0", "-t", "1", "-r", "1", "--peer", "exit 3")
        self.refused(failing, 1, "status 3", program="siskin-bench")


class Interrupt(Case):
    def interrupted(self, args, started):
        """Starts siskin, waits until `started(process)` returns, sends Ctrl-C. Slow kernels, so that it is still running then."""
        for _ in range(5):
            process = subprocess.Popen([BIN / "siskin", *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                       errors="replace", env=environment(SISKIN_ISA="ref"))
            first = started(process)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
            if process.returncode != 0:
                return process.returncode, first + out, err
        self.fail("finished before Ctrl-C arrived, five times")

    def test_streaming(self):
        status, out, err = self.interrupted(["run", MODEL, "-p", PROMPT, "-n", "-1", "--ignore-eos", "-t", "1", "--report"],
                                            lambda process: process.stdout.read(1))
        self.assertEqual((status, err), (130, "siskin: interrupted\n"))
        self.assertIn("cancelled", out)

    def test_bench_keeps_finished_rows(self):
        process = subprocess.Popen([BIN / "siskin-bench", MODEL, "-p", "16", "-n", "200", "-r", "10000", "-t", "1", "-o", "jsonl"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, err), (130, "siskin-bench: interrupted\n"))
        for line in [first, *rest.splitlines()]:
            self.assertGreater(len(json.loads(line)["samples_ts"]), 0)

    def test_json(self):
        def started(process):
            while '"generate"' not in process.stderr.readline():
                self.assertIsNone(process.poll())
            return ""

        status, out, err = self.interrupted(
            ["run", MODEL, "-p", PROMPT, "-n", "-1", "--ignore-eos", "-t", "1", "--json", "--progress", "json"], started)
        document = json.loads(out)
        self.assertEqual((status, document["finish_reason"]), (130, "cancelled"))
        self.assertGreater(document["tokens"], 0)
        for line in err.splitlines()[:-1]:
            self.has_keys(json.loads(line), ["stage", "done", "total"])
        self.assertEqual(err.splitlines()[-1], "siskin: interrupted")


if __name__ == "__main__":
    BIN, MODEL = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    if not MODEL.exists():
        print(f"skipped: no model at {MODEL}")
        sys.exit(0)
    with tempfile.TemporaryDirectory() as folder:
        WORK = pathlib.Path(folder)
        unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
