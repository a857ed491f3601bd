// The commented configuration that `siskin-selector init` writes.
#include "selector/config.h"

namespace siskin::selector {

std::string_view config_template() {
  return R"toml(# What siskin-selector should choose between, and what counts as good, fast and cheap enough.
# Paths are relative to this file. A key that does not exist is an error, never ignored.

[task]
text = "held-out.txt"              # text that no candidate was trained on; split into documents at blank lines (~1 kB each)
# items = "items.jsonl"            # or multiple choice: {"prompt": "...", "choices": ["...", "..."], "answer": 0} a line
metric = "bits_per_byte"           # or perplexity; with items: accuracy

[workload]
prompt_tokens = 64                 # what one request looks like
output_tokens = 32
arrivals = "poisson"               # open loop, as users arrive; "closed": a fixed number of waiting users
seed = 1                           # arrivals, prompts and sampling repeat with it

[budget]
latency_ms = {p50 = 80, p95 = 150, p99 = 250}   # from the moment a request was due until its last token; leave out what you do not limit
ttft_ms = {p99 = 120}                           # until its first token
ram_gb = 4                                      # 1 GB = 1e9 bytes
confidence = 0.99                               # a percentile passes when its upper bound at this confidence meets the limit

[budget.parts]
preprocess = "measure"             # tokenising, timed with every request; or {p50 = 1, p99 = 3}
network = {p50 = 12, p99 = 40}     # a lognormal through both; or {samples = "net.txt"}, milliseconds

[[volume]]                         # one block for each traffic you want a choice for
qps = 1
usd_per_month = 300                # leave out for no limit

[[volume]]
qps = 100
usd_per_month = 2500

[quality]
reference = "model"                # the candidate whose first variant is the original; every variant is compared with it
max_loss = 0.02                    # relative loss allowed; the upper end of its confidence interval decides
# min = 0.80                       # or, for accuracy, an absolute floor
confidence = 0.95                  # of that interval, shared out over the candidates (Bonferroni)

[price]
usd_per_hour = 0.34                # of one replica: this machine, or one like it
headroom = 0.75                    # share of its highest rate that a replica is meant to carry
min_replicas = 1

[measure]
stop = "all"                       # or "until_proven": cheapest bound first, stop at the first that passes at every volume
docs = 80                          # documents or items to score
seconds = 5                        # aim for one latency measurement
max_seconds = 60                   # most that one may take
# requests = 1000                  # a fixed number of requests instead; p99 at 0.99 needs 459
# threads = 2                      # default: all usable cores

[[candidate]]
name = "model"
model = "model-f16.gguf"           # a GGUF file or a Hugging Face folder
variants = ["f16", "q8_0", "q4_0"] # named model:f16, model:q8_0, ...; a type that the file does not have is made from it

[[candidate]]
name = "smaller"
model = "smaller-f16.gguf"
variants = ["f16", "q8_0"]
)toml";
}

}  // namespace siskin::selector
