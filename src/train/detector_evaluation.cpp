#include "emotion/train/detector_evaluation.h"

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <type_traits>

#include "emotion/loss/detection_metrics.h"
#include "emotion/progress.h"
#include "emotion/signals.h"
#include "emotion/train/detector_pictures.h"

namespace emotion {
namespace {

std::vector<FoundBox> found_boxes(const Detections& found) {
  const at::Tensor boxes = found.boxes.to(at::kCPU, at::kDouble).contiguous(), scores = found.scores.to(at::kCPU, at::kDouble);
  const at::Tensor labels = found.labels.cpu();
  std::vector<FoundBox> list;
  for (std::int64_t i = 0; i < boxes.size(0); ++i) {
    const double* b = boxes.const_data_ptr<double>() + 4 * i;
    list.push_back({{b[0], b[1], b[2], b[3]}, labels.const_data_ptr<std::int64_t>()[i], scores.const_data_ptr<double>()[i]});
  }
  return list;
}

std::vector<TruthBox> truth_boxes(const std::vector<AnnotatedBox>& boxes) {
  std::vector<TruthBox> list;
  for (const AnnotatedBox& b : boxes) list.push_back({{b.box[0], b.box[1], b.box[2], b.box[3]}, b.label, b.area, b.crowd});
  return list;
}

/// What every process has found in its batches, in the order of the samples, on rank 0; the others get nothing.
std::vector<std::vector<FoundBox>> gather_found(std::vector<std::vector<FoundBox>> own, std::size_t samples, std::size_t batch,
                                                ProcessGroup& group) {
  if (group.size() == 1) return own;
  static_assert(std::is_trivially_copyable_v<FoundBox>);
  std::vector<std::uint64_t> counts;  // of each sample
  std::vector<FoundBox> boxes;
  for (const auto& sample : own) {
    counts.push_back(sample.size());
    boxes.insert(boxes.end(), sample.begin(), sample.end());
  }
  const auto bytes = [](const auto& values) {
    return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0]));
  };
  const auto all_counts = group.gather_to_root(bytes(counts)), all_boxes = group.gather_to_root(bytes(boxes));
  if (!group.is_root()) return {};
  std::vector<std::vector<FoundBox>> all(samples);
  struct Place {
    std::size_t count = 0, box = 0;  // bytes that are behind
  };
  std::vector<Place> places(all_counts.size());
  for (std::size_t i = 0; i < samples; ++i) {
    const std::size_t rank = i / batch % all_counts.size();
    Place& place = places[rank];
    std::uint64_t count = 0;
    std::memcpy(&count, all_counts[rank].data() + place.count, sizeof(count));
    place.count += sizeof(count);
    all[i].resize(count);
    if (count > 0) std::memcpy(all[i].data(), all_boxes[rank].data() + place.box, count * sizeof(FoundBox));
    place.box += count * sizeof(FoundBox);
  }
  return all;
}

/// The metrics by their names, without those that are not defined: they are -1.
DetectorMetrics named_metrics(const DetectionMetrics& m, const std::vector<std::string>& classes) {
  DetectorMetrics metrics;
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, double>>{{"AP", m.ap},
                                                                                         {"AP50", m.ap50},
                                                                                         {"AP75", m.ap75},
                                                                                         {"AP_small", m.ap_small},
                                                                                         {"AP_medium", m.ap_medium},
                                                                                         {"AP_large", m.ap_large},
                                                                                         {"AR1", m.ar1},
                                                                                         {"AR10", m.ar10},
                                                                                         {"AR100", m.ar100}}) {
    if (value >= 0) metrics.values.emplace_back(name, value);
  }
  for (std::size_t k = 0; k < m.class_ap.size(); ++k) {
    if (m.class_ap[k] >= 0) metrics.class_ap.emplace_back(classes[k], m.class_ap[k]);
  }
  return metrics;
}

}  // namespace

std::optional<DetectorMetrics> evaluate_detector(RegionDetector& network, const Manifest& manifest,
                                                 const Annotations& annotations, const Device& device, std::size_t batch,
                                                 ProcessGroup& group) {
  // Whole batches: what a picture is computed with decides the last bits of its boxes.
  const std::size_t stride = batch * static_cast<std::size_t>(group.size());
  const auto batch_at = [&](std::size_t begin) {
    std::vector<std::uint64_t> samples;
    for (std::size_t i = begin; i < std::min(begin + batch, manifest.size()); ++i) samples.push_back(i);
    return samples;
  };
  std::vector<std::vector<FoundBox>> found;  // of this process's samples
  {
    PictureReader reader(manifest);
    Progress progress("evaluation", manifest.size());
    const ProcessGroup::Steps steps(group);
    for (std::size_t begin = batch * static_cast<std::size_t>(group.rank()); begin < manifest.size() && !group.stop_asked();
         begin += stride) {
      const AutocastScope autocast(device);
      const auto pictures = reader.read(batch_at(begin), batch_at(begin + stride));
      for (std::size_t i = 0; i < pictures.size(); ++i)
        annotations.check_size(manifest, begin + i, pictures[i].size(1), pictures[i].size(0));
      const DetectorInput input = detector_input(pictures, network.transform());
      for (const Detections& one : network.detect(move_input(input, device, true), /*with_features=*/false))
        found.push_back(found_boxes(one));
      steps.step();
      progress.update(std::min(begin + stride, manifest.size()));
    }
  }
  // One that was asked to stop, or has less to do, is here before the others: an exchange would give them up.
  group.wait_for_all();
  if (group.any(stop_requested())) return std::nullopt;
  found = gather_found(std::move(found), manifest.size(), batch, group);
  if (!group.is_root()) return DetectorMetrics{};
  DetectionEvaluation evaluation(static_cast<std::int64_t>(annotations.classes.size()));
  for (std::size_t i = 0; i < manifest.size(); ++i) evaluation.add(found[i], truth_boxes(annotations.boxes[i]));
  return named_metrics(evaluation.metrics(), annotations.classes);
}

}  // namespace emotion
