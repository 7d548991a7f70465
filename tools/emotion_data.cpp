#include <algorithm>

#include "command_line.h"
#include "curation_flags.h"
#include "emotion/commands/data.h"
#include "share_flags.h"

namespace {

CLI::App* add_import(CLI::App& app, emotion::ImportOptions& o) {
  auto* sub = app.add_subcommand("import", "makes a data set from images and labels; the images stay where they are");
  sub->add_option(
         "format,--format", o.format,
         "folder: ROOT/CLASS/image or ROOT/{train,val,test}/CLASS/image (training, valid, dev .. too), the images at any "
         "depth; csv: a table with a header, fields parted by comma, semicolon or tab; webdataset: tar shards (.tar.gz "
         "ones are unpacked into OUT); or a published one, below")
      ->required()
      ->type_name("FORMAT");
  sub->add_option("--root", o.root, "folder of the images")->required()->type_name("DIR");
  sub->add_option("--out", o.out, "data set to make")->required()->type_name("DATASET");
  sub->add_option("--file", o.file, "csv: the table; webdataset: class names, a line each")->type_name("FILE");
  sub->add_option("--image-column", o.image_column, "csv")->capture_default_str();
  sub->add_option("--label-column", o.label_column, "csv")->capture_default_str();
  sub->add_option("--keywords-column", o.keywords_column, "csv: keywords of the image");
  sub->add_option("--split-column", o.split_column, "csv: name of the split; else --split");
  sub->add_option("--separator", o.separator, "csv: between several labels or keywords in a field")->capture_default_str();
  sub->add_option(
         "--split", o.split,
         "80/20 (train, val; of a published set train, test) or 80/5/15 (train, val, test), parts of any sum, drawn by --seed; "
         "default: the published split, else the paper's ratio; folder and csv: 80/20; not with folders of splits")
      ->type_name("RATIO");
  sub->add_flag("--stratify", o.stratify, "a split that is drawn divides each class by the ratio, by an image's first label");
  sub->add_option("--folds", o.folds, "published sets: this many folds by class instead, splits fold0-train, fold0-test ..");
  sub->add_option("--without", o.without,
                  "published sets: leaves out a class, and the pictures that have no other; the paper does so with IAPSa's anger")
      ->type_name("CLASS")
      ->allow_extra_args(false);
  const auto add_classes = [&](const char* flag, std::vector<std::string>& classes, const char* text) {
    sub->add_option(flag, classes, text)->type_name("CLASS,..")->delimiter(',')->allow_extra_args(false);
  };
  add_classes("--positive", o.positive,
              "folder, csv: the positive emotions, which a hierarchical loss tells from the others; default: by the names of the "
              "classes, where all are known emotions");
  add_classes("--negative", o.negative, "folder, csv: the negative ones");
  sub->add_option("--seed", o.seed)->capture_default_str();
  std::string formats = "FORMAT of published data sets, --root the folder as unpacked:";
  for (const auto& format : emotion::kImportFormatNames) {
    formats += "\n  " + std::string(format.name) + std::string(12 - std::min<std::size_t>(format.name.size(), 11), ' ') +
               std::string(format.layout);
  }
  sub->footer(formats);
  return sub;
}

CLI::App* add_regions(CLI::App& app, emotion::RegionsOptions& o) {
  auto* sub =
      app.add_subcommand("regions",
                         "finds the objects of every image with a detector, writes their features, boxes and classes, and "
                         "notes them in the manifest; goes on where it stopped");
  sub->add_option("data,--data", o.data, "data set")->required()->type_name("DATASET");
  sub->add_option(
         "--checkpoint", o.checkpoint,
         "detector: run folder or weights file; torchvision's Faster R-CNN and bottom-up attention's conversions work as "
         "they are")
      ->type_name("RUN|FILE");
  sub->add_option("--import", o.import_from,
                  "takes regions found elsewhere instead: a bottom-up .tsv, an .npz, or a folder of .npz files")
      ->type_name("FILE|DIR");
  sub->add_option("--objects", o.objects, "names of the classes, a line each, where the weights or the table have none")
      ->type_name("FILE");
  sub->add_option("--attributes", o.attributes, "names of the attributes, likewise")->type_name("FILE");
  sub->add_option("--top", o.top, "regions of an image that are kept, best first; default: 10, with --import all");
  sub->add_option("--split", o.split, "one split; default: all of them");
  sub->add_option("--batch", o.batch, "images read together; those of one shape share a forward pass")->capture_default_str();
  sub->add_option("--device", o.device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  sub->add_option("--set", o.settings, "overrides a key of the detector's config")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  sub->add_option("--pictures", o.pictures, "folder for pictures with the regions drawn into them, named")->type_name("DIR");
  sub->add_option("--count", o.count, "pictures drawn of a split; 0 = all")->capture_default_str();
  sub->add_flag("--anew", o.anew, "makes regions that are there already again");
  add_share_flags(*sub, o.share);
  return sub;
}

CLI::App* add_faces(CLI::App& app, emotion::FacesOptions& o) {
  auto* sub = app.add_subcommand(
      "faces", "finds the largest face of every image, aligns it and notes it in the manifest; goes on where it stopped");
  sub->add_option("data,--data", o.data, "data set")->required()->type_name("DATASET");
  sub->add_option("--split", o.split, "one split; default: all of them");
  sub->add_option("--size", o.size, "side of a face picture, pixels")->capture_default_str();
  sub->add_option("--padding", o.padding, "room around brows and chin, as part of their extent")->capture_default_str();
  sub->add_option("--upsample", o.upsample, "doublings of an image before detection, which finds faces from 80 pixels")
      ->capture_default_str();
  sub->add_option("--max-side", o.max_side, "longer images are shrunk to it for detection, pixels; 0 = never")
      ->capture_default_str();
  sub->add_option("--threshold", o.threshold, "least detection score; lower finds more faces, and more that are none")
      ->capture_default_str();
  sub->add_option("--landmarks", o.landmarks, "dlib's 68-point landmark model; default: that of Debian's libdlib-data")
      ->type_name("FILE");
  sub->add_option("--cnn", o.cnn, "weights of dlib's CNN detector (mmod_human_face_detector.dat); default: the HOG detector")
      ->type_name("FILE");
  sub->add_option("--workers", o.workers, "threads; 0 = one per core")->capture_default_str();
  sub->add_option("--json", o.json, "writes the detection rates there")->type_name("FILE");
  sub->add_flag("--anew", o.anew, "forgets what earlier runs found");
  add_share_flags(*sub, o.share);
  return sub;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Makes, checks and shows data sets.", "emotion_data");
  app.require_subcommand(1);
  emotion::ImportOptions import_options;
  CLI::App* import = add_import(app, import_options);

  emotion::VerifyOptions verify_options;
  auto* verify = app.add_subcommand(
      "verify", "lists every problem of a data set: broken lines, missing and broken images, faces and regions; exit 3 if any");
  verify->add_option("data,--data", verify_options.data, "data set")->required()->type_name("DATASET");
  verify
      ->add_option("--out", verify_options.out,
                   "writes a data set of the samples without a problem there; the exit code is 0 then")
      ->type_name("DIR");
  verify->add_option("--workers", verify_options.workers, "threads; 0 = one per core")->capture_default_str();

  emotion::StatsOptions stats_options;
  auto* stats = app.add_subcommand("stats", "samples a class, keywords an image, emotions that stand together, label noise");
  stats->add_option("data,--data", stats_options.data, "data set")->required()->type_name("DATASET");
  stats->add_option("--json", stats_options.json, "writes JSON there instead")->type_name("FILE");
  stats->add_option("--html", stats_options.html, "writes a page with plots there")->type_name("FILE");
  stats->add_option("--cooccurrence", stats_options.cooccurrence, "writes how often two emotions stand together, a table")
      ->type_name("FILE");
  stats->add_option("--checked", stats_options.checked, "label noise from a filled-in check list")->type_name("FILE");
  auto* check_list =
      stats->add_option("--check-list", stats_options.check_list, "writes a list of random images to check there, and stops");
  check_list->type_name("FILE");
  stats->add_option("--check-images", stats_options.check_images, "images on it")->capture_default_str()->needs(check_list);
  stats->add_option("--seed", stats_options.seed, "draws them")->capture_default_str()->needs(check_list);

  emotion::SynthOptions synth_options;
  auto* synth = app.add_subcommand(
      "synth",
      "makes a data set of drawn scenes: stock (keyword lists, noisy), affect (8 clean classes), scenes (the same 8, and "
      "boxes of the things in them for a detector), objects (what is "
      "there), annotated (keyword lists, 8 clean classes), boxed (32 emotions and a box), people (8 classes, faces) "
      "or faces (8 expressions)");
  synth->add_option("kind", synth_options.kind, "stock, affect, scenes, objects, annotated, boxed, people or faces")->required();
  synth->add_option("--out", synth_options.out, "data set to make")->required()->type_name("DATASET");
  synth->add_option("--count", synth_options.count, "pictures; 80 % train, 10 % val, 10 % test")->capture_default_str();
  synth->add_option("--size", synth_options.size, "side, pixels")->capture_default_str();
  synth->add_option("--seed", synth_options.seed)->capture_default_str();
  synth->add_option("--workers", synth_options.workers, "threads; 0 = one per core")->capture_default_str();

  emotion::RegionsOptions regions_options;
  CLI::App* regions = add_regions(app, regions_options);

  emotion::FacesOptions faces_options;
  CLI::App* faces = add_faces(app, faces_options);

  emotion::PreviewOptions preview_options;
  auto* preview = app.add_subcommand("preview", "writes the pixels a run sees, before normalising, as PNG");
  preview->add_option("--data", preview_options.data, "data set")->required()->type_name("DATASET");
  preview->add_option("--split", preview_options.split)->capture_default_str();
  preview->add_option("--config", preview_options.config, "config of the run")->required()->type_name("FILE");
  preview->add_option("--set", preview_options.settings, "overrides a key of the config")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  preview->add_option("--out", preview_options.out, "folder")->required()->type_name("DIR");
  preview->add_option("--count", preview_options.count, "pictures, in manifest order; 0 = all")->capture_default_str();

  emotion::BenchOptions bench_options;
  auto* bench = app.add_subcommand("bench", "measures the loader; JSON on stdout");
  bench->add_option("--data", bench_options.data, "data set")->required()->type_name("DATASET");
  bench->add_option("--split", bench_options.split)->capture_default_str();
  bench->add_option("--config", bench_options.config, "config of the run")->required()->type_name("FILE");
  bench->add_option("--set", bench_options.settings, "overrides a key of the config")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  bench->add_option("--seconds", bench_options.seconds)->capture_default_str()->check(emotion::positive());

  const emotion::CurationCommands curation(app);

  app.footer("Example: emotion_data import folder --root photos --out data/photos");
  return emotion::run_command(app, argc, argv, [&] {
    if (import->parsed()) EMOTION_CALL(emotion_data_import, import_options);
    if (verify->parsed()) EMOTION_CALL(emotion_data_verify, verify_options);
    if (stats->parsed()) EMOTION_CALL(emotion_data_stats, stats_options);
    if (synth->parsed()) EMOTION_CALL(emotion_data_synth, synth_options);
    if (regions->parsed()) EMOTION_CALL(emotion_data_regions, regions_options);
    if (faces->parsed()) EMOTION_CALL(emotion_data_faces, faces_options);
    if (preview->parsed()) EMOTION_CALL(emotion_data_preview, preview_options);
    if (bench->parsed()) EMOTION_CALL(emotion_data_bench, bench_options);
    curation.run();
  });
}
