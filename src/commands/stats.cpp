#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "emotion/commands/data.h"
#include "emotion/data/statistics.h"
#include "emotion/error.h"
#include "emotion/io/file.h"
#include "emotion/log.h"
#include "emotion/print.h"
#include "emotion/report/dataset_page.h"
#include "result_file.h"

namespace emotion {
namespace {

double mean(std::uint64_t sum, std::uint64_t count) { return static_cast<double>(sum) / static_cast<double>(count); }

nlohmann::ordered_json split_json(const SplitStatistics& s, const std::vector<std::string>& classes) {
  nlohmann::ordered_json json{
      {"samples", s.samples},
      {"labels_per_image", mean(s.labels, s.samples)},
      {"keywords_per_image",
       {{"mean", mean(s.keywords, s.samples)}, {"min", s.by_keywords.begin()->first}, {"max", s.by_keywords.rbegin()->first}}},
      {"emotion_keywords_per_image", mean(s.emotional, s.samples)},
      {"distinct_keywords", s.distinct_keywords},
      {"with_box", s.with_box},
      {"with_face", s.with_face},
      {"with_regions", s.with_regions},
      {"with_votes", s.with_votes}};
  for (std::size_t k = 0; k < classes.size(); ++k) json["per_class"][classes[k]] = s.per_class[k];
  return json;
}

void print(const SplitStatistics& s, const std::vector<std::string>& classes) {
  print_out("{}: {} samples, {:.2f} labels an image, {:.1f} keywords an image ({} to {}), {:.2f} of them emotions, {} distinct\n",
            s.split, s.samples, mean(s.labels, s.samples), mean(s.keywords, s.samples), s.by_keywords.begin()->first,
            s.by_keywords.rbegin()->first, mean(s.emotional, s.samples), s.distinct_keywords);
  for (std::size_t k = 0; k < classes.size(); ++k) print_out("  {:<24} {}\n", classes[k], s.per_class[k]);
}

}  // namespace
}  // namespace emotion

void emotion_data_stats(const emotion::StatsOptions& o) {
  using namespace emotion;
  check_result_file("--json", o.json, ResultForm::kJson);
  check_result_file("--html", o.html, ResultForm::kPage);
  const Dataset dataset = Dataset::open(o.data);
  if (!o.check_list.empty()) {
    write_check_list(dataset, o.check_images, o.seed, o.check_list);
    log_info("{}: {} images to check; then stats --checked {}", o.check_list, o.check_images, o.check_list);
    return;
  }
  std::optional<LabelNoise> noise;
  if (!o.checked.empty()) noise = read_check_list(o.checked);
  const bool pairs = !o.html.empty() || !o.cooccurrence.empty();
  CooccurrenceMatrix together(pairs ? dataset.classes.size() : 0);
  std::vector<SplitStatistics> splits;
  nlohmann::ordered_json all{{"name", dataset.name}, {"classes", dataset.classes.size()}};
  for (const auto& [split, file] : dataset.splits) {
    const Manifest manifest = Manifest::open(dataset, split);
    splits.push_back(split_statistics(manifest));
    if (pairs) together.add(manifest);
    all["splits"][split] = split_json(splits.back(), dataset.classes);
  }
  if (noise) {
    all["label_noise"] = {{"images", noise->images}, {"checked", noise->checked}, {"wrong", noise->wrong}, {"open", noise->open},
                          {"rate", noise->rate},     {"low", noise->low},         {"high", noise->high}};
  }
  if (!o.json.empty()) write_json_result(o.json, all.dump(2) + "\n");
  if (!o.cooccurrence.empty()) together.write(dataset.classes, o.cooccurrence);
  if (!o.html.empty()) write_file_atomically(o.html, dataset_page(dataset, splits, together, noise));
  if (!o.json.empty()) return;
  for (const auto& split : splits) print(split, dataset.classes);
  if (noise) {
    print_out("label noise: {} of {} checked emotions are wrong, {:.1f} % ({:.1f} to {:.1f})\n", noise->wrong, noise->checked,
              100 * noise->rate, 100 * noise->low, 100 * noise->high);
  }
}
