#include "checkpoint_flags.h"

int main(int argc, char** argv) {
  CLI::App app("Says what a trained network sees in pictures.", "emotion_predict");
  emotion::PredictOptions o;
  add_checkpoint_flags(app, o, /*required=*/true);
  app.add_option(
         "images", o.inputs,
         "pictures, folders of them, or data sets with the regions and faces of their manifest; of other pictures a network "
         "of faces sees the largest face that is found, and those without one are left out; --set data.on_error=skip leaves "
         "broken ones out")
      ->required()
      ->type_name("IMAGE|DIR|DATASET");
  app.add_option("--detector", o.detector, "finds the regions of pictures that no data set knows, for a stimuli network")
      ->type_name("RUN|FILE");
  app.add_option("--detector-set", o.detector_settings,
                 "changes the detector's config, as emotion_data regions --set did for the training regions")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  constexpr auto kFaces = "Faces in pictures that no data set knows, for a stimuli network (default: as its training faces)";
  const auto face = [&](const char* name, auto& value, const char* text) {
    return app.add_option(name, value, text)->group(kFaces);
  };
  face("--face-size", o.face_size, "side of a face picture, pixels");
  face("--face-padding", o.face_padding, "room around brows and chin, as part of their extent");
  face("--face-upsample", o.face_upsample, "doublings of an image before detection");
  face("--face-max-side", o.face_max_side, "longer images are shrunk to it for detection, pixels; 0 = never");
  face("--face-threshold", o.face_threshold, "least detection score");
  face("--face-landmarks", o.face_landmarks, "dlib's 68-point landmark model; default: that of Debian's libdlib-data")
      ->type_name("FILE");
  face("--face-cnn", o.face_cnn, "weights of dlib's CNN detector; default: the HOG detector")->type_name("FILE");
  app.add_option("--split", o.split, "of a data set; default: test, or val, or its first");
  app.add_option("--count", o.count, "pictures of a data set, in manifest order; 0 = all")->capture_default_str();
  app.add_option("--json", o.json, "writes all probabilities there (- prints them); of a stimuli network also what it looked at")
      ->type_name("FILE");
  app.add_option("--report", o.report, "writes a page with the pictures and where the network looked")->type_name("FILE");
  app.add_option("--pictures", o.pictures, "writes the same pictures there as PNG")->type_name("DIR");
  app.add_option("--top", o.top, "classes shown")->capture_default_str()->check(emotion::counts(1));
  app.footer("Example: emotion_predict --checkpoint runs/demo/emotionnet photo.jpg --report photo.html");
  return emotion::run_command(app, argc, argv, [&] { EMOTION_CALL(emotion_predict, o); });
}
