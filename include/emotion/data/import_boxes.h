#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace emotion {

struct BoxImport {
  std::string format;          ///< coco | visualgenome
  std::filesystem::path root;  ///< the folder as it was unpacked
  std::filesystem::path out;   ///< data set to make
  std::string split;           ///< visualgenome without lists: `80/20` -> train, val (default); drawn by seed
  std::uint64_t seed = 1;
};

/// True for the formats that import_boxes() reads.
bool has_boxes(const std::string& format);

/// Makes a data set for a detector: manifests whose labels are the classes in each picture, and annotations/SPLIT.json.
///
/// coco: annotations/instances_{train,val}YEAR.json (or annotations/{train,val,test}.json), pictures in ROOT/trainYEAR,
/// ROOT/images/trainYEAR, ROOT/images or ROOT. visualgenome: objects.json, image_data.json, pictures in VG_100K and VG_100K_2;
/// the classes are those of objects_vocab.txt (a line each, synonyms after commas), else the 1,600 most frequent names; splits
/// from train.txt, val.txt, test.txt where they are there. Pictures stay where they are; annotations of pictures that are missing
/// are left out, and counted in the log.
/// @throws ConfigError for an OUT that has a data set; DataError naming the file and the id
void import_boxes(const BoxImport& request);

}  // namespace emotion
