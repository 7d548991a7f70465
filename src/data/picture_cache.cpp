#include "emotion/data/picture_cache.h"

#include "emotion/config/run_config.h"

namespace emotion {

std::shared_ptr<PictureCache> make_picture_cache(const DataConfig& config, std::size_t samples) {
  if (config.picture_cache_mb == 0) return nullptr;
  return std::make_shared<PictureCache>(samples, static_cast<std::uint64_t>(config.picture_cache_mb) << 20);
}

}  // namespace emotion
