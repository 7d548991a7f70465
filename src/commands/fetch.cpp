#include "emotion/data/fetch.h"

#include "emotion/commands/curation.h"
#include "emotion/data/manifest.h"
#include "emotion/error.h"
#include "emotion/log.h"

void emotion_data_fetch(const emotion::FetchOptions& o) {
  using namespace emotion;
  namespace fs = std::filesystem;
  if (o.data.empty() && (o.urls.empty() || o.out.empty()))
    throw ConfigError("fetch needs --urls FILE and --out DIR, or --data DATASET");
  if (!(o.max_megabytes > 0 && o.max_megabytes <= 4096)) throw ConfigError("--max-megabytes must be above 0 and at most 4096");
  fs::path urls = o.urls, out = o.out;
  if (!o.data.empty()) {
    const Dataset dataset = Dataset::open(o.data);
    urls = dataset.root / "urls.tsv";
    out = dataset.images();
    if (!fs::exists(urls)) throw DataError(urls.string() + ": missing; `relative path<TAB>url` lines are wanted");
  }
  const FetchSummary summary =
      fetch_pictures(read_url_list(urls), {.out = out,
                                           .parallel = o.parallel,
                                           .per_host = o.per_host,
                                           .timeout = o.timeout,
                                           .max_bytes = static_cast<std::uint64_t>(o.max_megabytes * (1 << 20)),
                                           .retries = o.retries,
                                           .allow_private = o.allow_private,
                                           .retry_failed = o.retry_failed,
                                           .workers = o.workers});
  log_info("{}: {} fetched, {} were there, {} failed, {} given up earlier", out.string(), summary.fetched, summary.there,
           summary.failed, summary.given_up);
  if (summary.failed > 0) log_warning("{}: what is missing and why", (out / "failures.tsv").string());
  if (summary.failed > 0 && summary.fetched + summary.there == 0) throw RunError(out.string() + ": no picture could be fetched");
}
