#pragma once

#include <array>
#include <string_view>

namespace emotion {

/// A published data set that `emotion_data import` reads; nothing here needs the library, so that --help can list it.
struct ImportFormatName {
  std::string_view name, layout;
};

inline constexpr auto kImportFormatNames = std::to_array<ImportFormatName>({
    {"abstract", "abstract paintings (Machajdik 2010): abstract_0001.jpg .. and ABSTRACT_groundTruth.csv"},
    {"affectnet", "AffectNet, 7 classes: {training,validation}.csv, or train_set/annotations/*_exp.npy, or train/ID/FILE"},
    {"affectnet8", "AffectNet with contempt, 8 classes: as affectnet"},
    {"artphoto", "ArtPhoto (Machajdik 2010): CLASS_NUMBER.jpg in one folder"},
    {"coco", "COCO, boxes for a detector: annotations/instances_{train,val}2017.json, {train,val}2017/FILE.jpg"},
    {"emoset", "EmoSet-118K: {train,val,test}.json, image/CLASS/ID.jpg"},
    {"emotic",
     "EMOTIC: Annotations/Annotations.mat or {train,val,test}.csv, and emotic/{mscoco,framesdb,..}; one sample a person"},
    {"emotion6", "Cornell Emotion6: images/CLASS/NUMBER.jpg, ground_truth.txt"},
    {"emotionroi", "EmotionROI: images/CLASS/FILE.jpg, training_testing_split/{training,testing}.txt"},
    {"fer2013", "FER2013: fer2013.csv (pixels become PNG files in the data set), or {train,test}/CLASS/FILE"},
    {"ferplus", "FER2013 with FERPlus votes: fer2013.csv and fer2013new.csv"},
    {"fi", "Flickr and Instagram (You 2016): CLASS/FILE.jpg, or the agreement lists agg/CLASS_*.csv (URLs)"},
    {"iapsa", "IAPS with Mikels' classes: CLASS/ID.jpg, or a list of ID,CLASS beside the pictures"},
    {"se30k8", "SE30K8: annotations/mturk_annotations_240.pkl.keep; pictures ID.jpg, or their URLs"},
    {"stockemotion", "StockEmotion: *_{train,val,test}.pkl, idx2name/*.pkl.keep, dataset_image_urls_240.pkl"},
    {"ube", "UnBiasedEmo: images/CLASS/QUERY/FILE.jpg"},
    {"visualgenome", "Visual Genome, boxes for a detector: objects.json, image_data.json, VG_100K/ID.jpg, VG_100K_2/ID.jpg"},
    {"webemo", "WEBEmo: train25.txt, test25.txt (URL and class id), images/{train25,test25}/ID/FILE.jpg"},
});

}  // namespace emotion
