#include "broken_pictures.h"

#include <fmt/format.h>

#include "emotion/config/node.h"
#include "emotion/config/run_config.h"
#include "emotion/error.h"
#include "emotion/log.h"

namespace emotion {

BrokenPictures::BrokenPictures(const RunConfig& config) : skip_(config.data.on_error == "skip") {}

bool BrokenPictures::read(const std::function<void()>& load) {
  ++asked_;
  try {
    load();
    return true;
  } catch (const DataError& error) {
    if (!skip_) throw DataError(fmt::format("{}; --set data.on_error=skip leaves it out", error.what()));
    ++broken_;
    log_warning("{}: left out", error.what());
    return false;
  }
}

void BrokenPictures::close() const {
  if (broken_ == 0) return;
  if (broken_ == asked_) throw DataError(fmt::format("no picture of {} can be read; why stands above", asked_));
  log_warning("{} of {} pictures cannot be read: left out (data.on_error)", broken_, asked_);
}

void refuse_skipping(const std::vector<std::string>& settings) {
  for (const auto& setting : settings) {
    ConfigNode root;
    root.kind = ConfigNode::Kind::kMapping;
    apply_setting(root, setting);
    const ConfigNode* data = root.find("data");  // its keys may be set one by one or as a mapping
    if (data != nullptr && data->find("on_error") != nullptr)
      throw ConfigError(
          fmt::format("--set {}: a row stands for each sample here, none is left out; emotion_data verify --out writes a data "
                      "set without the broken ones",
                      setting));
  }
}

}  // namespace emotion
