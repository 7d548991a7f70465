#include <filesystem>
#include <string>

#include "emotion/commands/curation.h"
#include "emotion/data/duplicates.h"
#include "emotion/data/manifest.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/log.h"
#include "emotion/report/duplicate_page.h"
#include "result_file.h"

void emotion_data_dedup(const emotion::DedupOptions& o) {
  using namespace emotion;
  if (o.out.empty() && o.groups.empty() && o.html.empty())
    throw ConfigError("dedup has nothing to write; give --out DATASET, --groups FILE or --html FILE");
  const Dataset dataset = Dataset::open(o.data);
  if (!o.out.empty() && std::filesystem::exists(std::filesystem::path(o.out) / "dataset.yaml"))
    throw ConfigError(o.out + ": there is a data set already; give another --out");
  check_result_beside("--html", o.html, ResultForm::kPage, o.out);
  const DuplicateReport report = find_duplicates(dataset, {.radius = o.radius, .mirrored = o.mirrored, .workers = o.workers});
  log_info("{} pictures, {} groups of near-duplicates, {} pictures not kept", report.pictures.size(), report.groups.size(),
           report.dropped());
  if (const std::size_t unlike = unlike_groups(dataset, report); unlike > 0)
    log_warning("{} groups have pictures with different labels; the picture that is kept keeps its own", unlike);
  if (!o.out.empty()) write_without_duplicates(dataset, report, o.out);
  if (!o.groups.empty()) write_duplicate_groups(report, o.groups);
  if (!o.html.empty()) write_file_atomically(o.html, duplicate_page(dataset, report, o.shown));
}
