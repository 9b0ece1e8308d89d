// deno-lint-ignore-file no-explicit-any no-empty-interface
// What the studio answers, by path. Made of the routes by `python -m cad_studio.ui.script_types`: do not edit.

interface ActionView {
  number: number;
  who: string;
  at: string;
  kind: string;
  rows: number[];
  ids: string[];
  n_rows: number;
  details: Record<string, any>;
  changes: ChangeView[];
  why: string;
  version: string;
  seconds: number | null;
  queue: number | null;
  position: number | null;
  reverses: number | null;
  digest: string;
  key: string;
}

interface AgreeingPersonView {
  who: string;
  votes: number;
  pairs: number;
  raw: number | null;
}

interface AgreementView {
  votes: number;
  items: number;
  pairs: number;
  raw: number | null;
  alpha: number | null;
  people: AgreeingPersonView[];
  class_pairs: ClassPairView[];
  disputed: number;
  consensus: ConsensusView;
}

interface AliveView {
}

interface AnnotateView {
  head: number;
  digest: string;
  changed: number;
  flagged: number;
  contradict: number;
  people: PersonView[];
  undo: StepView | null;
  redo: StepView | null;
  class_names: string[];
  classes: number[];
  merged: ((number | null)[])[];
  removed: number[];
  splits: string[];
  version: number;
  is_ahead: boolean;
  role: string;
  login: string | null;
  orders: OrderView[];
  on_trial: string[];
  queues: QueueView[];
}

interface ApartClassesView {
  a: number;
  b: number;
  n: number;
  resolved: number;
  names: string[];
}

interface ApartView {
  n: number;
  resolved: number | null;
  threshold: number;
  classes: ApartClassesView[];
}

interface AugmentOffersView {
  class_names: string[];
  has_images: boolean;
  editors: EditorView[];
  judges: JudgeView[];
  sets: EditSetView[];
  models: EditModelView[];
  budget: SettingView[];
  orders: Record<string, string>;
  epsilon: number | null;
}

interface BeliefHistoryView {
  epochs: number[];
  beliefs: Record<string, number[]>;
}

interface BinsView {
  counts: number[];
  confidence: (number | null)[];
  accuracy: (number | null)[];
  ece: number;
}

interface CameApartView {
  part: string;
  total: number;
  pairs: number[][];
}

interface CardNearView {
  rows: number[];
  similarity: number[];
  candidates: number[][];
  features: string;
  sprite?: SpriteView | null;
}

interface CardSideView {
  row: number;
  id: string;
  split: string;
  votes: VoteView[];
  imported: number[];
  comments: CommentView[];
  candidates: number[];
  flagged: boolean;
  tags: string[];
  last: number;
  contradicts: boolean;
  blind: boolean;
  mine: number[] | null;
  said: Record<string, number[]>;
  neighbours: CardNearView | null;
}

interface CardView {
  rows: number[];
  sides: CardSideView[];
  queue: number | null;
  position: number | null;
  why: string;
  similarity?: number | null;
  shared?: number[];
  classes?: number[] | null;
}

interface CellView {
  total: number;
  rows: number[];
  tiles: TilesView;
}

interface ChangeView {
  row: number;
  before?: number[];
  after?: number[];
  flag?: any;
  tag?: string;
  given?: any;
}

interface ChangesView {
  fixed: number | null;
  broken: number | null;
  moved: number;
  n: number;
}

interface ClassImageView {
  image: string;
  similarity: number;
  after: number | null;
  top: number | null;
}

interface ClassPairDiagnosisView {
  a: number;
  b: number;
  weight: number;
  a_as_b: number | null;
  b_as_a: number | null;
  sharing: number | null;
  names: string[];
}

interface ClassPairView {
  classes: number[];
  confused: number;
  items: number;
  pairs: number;
  raw: number | null;
  alpha: number | null;
}

interface ClassRowView {
  class: number;
  name: string;
  n: number;
  n_predicted: number;
  mean_candidates: number | null;
  precision: number | null;
  recall: number | null;
  f1: number | null;
  ece: number | null;
}

interface ClassesView {
  split: string;
  by_truth: boolean;
  classes: ClassRowView[];
  reliability: BinsView | null;
}

interface ClosestView {
  instance_accuracy: number | null;
  pair_accuracy: number | null;
  swap_rate: number | null;
  n: number;
  n_pairs: number;
}

interface CoOccurrenceView {
  classes: number[];
  counts: number[][];
  n_classes: number;
}

interface ColourView {
  key: string;
  title: string;
  oracle: boolean;
  values?: string[];
}

interface ColoursView {
  n: number;
  class_names: string[];
  split_names: string[];
  modes: ColourView[];
}

interface CommentView {
  who: string;
  at: string;
  text: string;
}

interface ComparedFigureView {
  key: string;
  title: string;
  about: string;
  oracle: boolean;
  better: number;
  unit: string;
  rests_on: string;
  is_tile: boolean;
  values: (number | null)[];
  comparable: boolean[];
  differences: (number | null)[];
  spread: (cad_studio__views__comparison__SpreadView | null)[];
}

interface ComparedRunView {
  run: number;
  name: string;
  method: string;
  dataset: string;
  data_version: string;
  version_number: number | null;
  seed: number;
}

interface ComparisonView {
  runs: ComparedRunView[];
  split: string;
  notes: string[];
  settings: Record<string, any[]>;
  figures: ComparedFigureView[];
  entangled: Record<string, (ClosestView | null)[]>;
  changes: ChangesView | null;
  confusion_change: ConfusionChangeView | null;
}

interface ConfusionChangeView {
  classes: number[];
  class_names: string[];
  counts: number[][];
}

interface ConsensusView {
  by: string;
  features: string;
  people: ReliablePersonView[];
  samples: number;
  sure: number;
  rounds: number;
}

interface CurveView {
  similarity: number[];
  accuracy: (number | null)[];
  n: number[];
}

interface DatasetEntryView {
  name: string;
  kind: string;
  n: number;
  k: number;
  version: string;
  version_number: number;
  changes: number;
}

interface DatasetView {
  fields: FieldView[];
  tags: TagView[];
  name: string;
  kind: string;
  n: number;
  k: number;
  mean_candidates: number;
  empty: number;
  singletons: number;
  full: number;
  truth_known: number;
  truth_in_candidates: number | null;
  votes: number;
  image_size: number[] | null;
  n_dims: number | null;
  splits: Record<string, number>;
  size_histogram: number[];
  class_names: string[];
  class_descriptions: Record<string, string>;
  version: string;
  version_number: number;
  made_by: string;
  made_with: Record<string, any>;
  source: string;
  created_at: string;
  report: Record<string, any>;
  worst_distractor: DistractorsView | null;
  held_together: HeldTogetherView | null;
  note?: string;
}

interface DepartureView {
  what: string;
  paper: string;
  code: string;
  ours: string;
  settings: string[];
}

interface DiagnosedNearView {
  rows: number[];
  similarity: number[];
  best: number[];
  sprite?: SpriteView | null;
}

interface DiagnosedPairView {
  rows: number[];
  ids: string[];
  shared: number[];
  runs: PairSimilarityView[];
  histories: (BeliefHistoryView | null)[];
  apart: number | null;
}

interface DiagnosedRunView {
  id: number;
  name: string;
  method: string;
  status: string;
  seed: number;
  is_ready: boolean;
  is_stale: boolean;
  version_number: number | null;
}

interface DiagnosedRunsView {
  runs: DiagnosedRunView[];
  maps: string[];
}

interface DiagnosedSampleView {
  row: number;
  id: string;
  split: string;
  candidates: number[];
  belief: Record<string, number>;
  history: BeliefHistoryView | null;
  runs: SampleAnswerView[];
  pairs: number[];
  n_pairs: number;
  nearest_other: number | null;
  pairs_sprite?: SpriteView | null;
}

interface DistancesView {
  between: number | null;
  within: number | null;
  ratio: number | null;
}

interface DistractorRowView {
  class: string;
  n: number;
  distractor: string | null;
  share: number | null;
}

interface DistractorsView {
  uses_true_labels: boolean;
  n_known: number;
  classes: DistractorRowView[];
  mean: number;
  largest: number;
  threshold: number;
  carrying: number;
  warning: string;
}

interface EditModelView {
  id: number;
  status: string;
  job: number | null;
  belief: string;
  epochs: number;
  epochs_done: number;
  losses: number[];
  data_version: string;
  model_bytes: number;
  bytes: number;
  created_at: string;
}

interface EditPairView {
  classes: number[];
  n_pairs: number;
  before: number | null;
  after: number | null;
  reached: number | null;
}

interface EditSetView {
  id: number;
  dataset: string;
  editor: string;
  settings: Record<string, any>;
  n: number;
  n_stale: number;
  bytes: number;
  created_at: string;
}

interface EditSummaryView {
  n: number;
  n_judged: number;
  reached: number | null;
  changed: number | null;
  similarity: number | null;
  n_failing: number;
  pairs: EditPairView[];
}

interface EditView {
  id: number;
  row: number;
  label: number;
  similarity: number;
  before: number | null;
  after: number | null;
  top: number | null;
}

interface EditorView {
  name: string;
  title: string;
  uses_text: boolean;
  is_trained_here: boolean;
  settings: SettingView[];
  missing: string;
  model: string;
}

interface EntangledPartView {
  closest: Record<string, ClosestView>;
  apart: ApartView | null;
}

interface EntanglementView {
  split: string;
  features: string;
  by_truth: boolean;
  parts: Record<string, EntangledPartView>;
  distances: DistancesView | null;
  curve: CurveView | null;
}

interface FeatureSetView {
  id: number;
  source_hash: string;
  spec: string;
  key: string;
  description: string;
  file: string;
  n_dims: number;
  seconds: number;
  created_at: string;
}

interface FieldValueView {
  value: any;
  n: number;
}

interface FieldView {
  name: string;
  kind: string;
  known: number;
  n_values: number;
  values: FieldValueView[];
  low?: any;
  high?: any;
}

interface FieldsView {
  fields: FieldView[];
  tags: TagView[];
}

interface FigureView {
  key: string;
  title: string;
  about: string;
  oracle: boolean;
  better: number;
  unit: string;
  rests_on: string;
  is_tile: boolean;
}

interface FollowView {
  runs: Record<string, RunView | null>;
  reports: Record<string, ReportColumnsView>;
  log: LogView | null;
  queue: JobView[];
}

interface FormView {
  fields: SettingView[];
}

interface GalleryView {
  total: number;
  offset: number;
  edits: EditView[];
  summary: EditSummaryView;
  sprite: SpriteView | null;
  sources: SpriteView | null;
}

interface GroupChoiceView {
  over: Record<string, any>;
  n: number;
  n_runs: number;
  figures: Record<string, cad_studio__views__training__SpreadView>;
}

interface GroupFiguresView {
  group: string;
  dataset: string;
  runs: number[];
  choices: GroupChoiceView[];
}

interface GroupView {
  name: string;
  over: Record<string, any>;
}

interface HeldTogetherRowView {
  class: string;
  n: number;
  other: string | null;
  share: number | null;
  back: number | null;
}

interface HeldTogetherView {
  uses_true_labels: boolean;
  about: string;
  classes: HeldTogetherRowView[];
}

interface HistogramView {
  edges: number[];
  counts: number[];
}

interface HistoryView {
  head: number;
  digest: string;
  actions: ActionView[];
}

interface InstanceView {
  row: number;
  id: string;
  split: string;
  candidates: number[];
  before?: number[];
  votes: VoteView[];
  fields: Record<string, any>;
  tags: string[];
  truth_known: boolean;
  truth?: number;
}

interface JobView {
  id: number;
  kind: string;
  title: string;
  status: string;
  fraction: number;
  message: string;
  error: string | null;
  position: number;
  attempts: number;
  result: Record<string, any> | null;
  dataset: string | null;
  run: number | null;
  features: string | null;
  started_at: string | null;
  finished_at: string | null;
}

interface JudgeView {
  id: number;
  name: string;
  approximated_accuracy: number | null;
  mean_confidence: number | null;
  set_likelihood: number | null;
}

interface JudgedView {
  inside: number;
  chance: number;
  quality: number;
}

interface LiveView {
  is_ready: boolean;
  features: string;
  action?: number;
  is_renewing?: boolean;
  sure?: number;
  open?: number;
  settled?: number;
  gained?: number | null;
  lost?: number | null;
}

interface LogView {
  job: number;
  text: string;
  next: number;
}

interface LookPairView {
  guides: (number | null)[];
  before: number;
  after: Record<string, number>;
}

interface LookSampleView {
  row: number;
  id: string;
  split: string;
  labels: number[];
  n_left_out: number;
  source: string;
  best: number | null;
  before: Record<string, number> | null;
  heat: Record<string, string> | null;
  views: Record<string, Record<string, ClassImageView>>;
}

interface LookView {
  run: number | null;
  judge: string;
  samples: LookSampleView[];
  missing: Record<string, string>;
  editors: Record<string, string>;
  pair: LookPairView | null;
  ms: number;
}

interface MapView {
  name: string;
  features: string;
  description: string;
  origin: string;
  seed: number;
  n: number;
  left_out: number;
  stages: string[];
  stage: string;
}

interface MatricesView {
  classes: number[];
  confusion: number[][] | null;
  ambiguity: number[][];
  'co-occurrence': number[][];
  'set-model': number[][];
  row_totals: number[];
}

interface MethodView {
  name: string;
  title: string;
  summary: string;
  paper: string;
  departures: DepartureView[];
  needs_images: boolean;
  uses_truth: boolean;
  available: boolean;
  why_not: string;
  settings: SettingView[];
}

interface MiningAgreementView {
  share: number | null;
  top: number;
  features: string[];
}

interface MiningView {
  id: number;
  features: string;
  features_description: string;
  feature_set: number;
  threshold: number;
  quantile: number | null;
  split: string | null;
  labels: string;
  n_pairs: number;
  stale: boolean;
  version_number: number | null;
  created_at: string;
}

interface MiningsView {
  minings: MiningView[];
  feature_sets: FeatureSetView[];
  extractors: string[];
}

interface ModelBeliefView {
  run: number;
  name: string;
  belief: Record<string, number>;
}

interface NearView {
  rows: number[];
  similarity: number[];
  candidates: number[][];
  recall: number | null;
  sprite: SpriteView | null;
}

interface OrderView {
  name: string;
  title: string;
  says: string;
  needs_rows: boolean;
}

interface OverviewView {
  run: number;
  name: string;
  answers: string;
  split: string;
  n: number;
  n_known: number;
  splits: string[];
  class_names: string[];
  figures: Record<string, number | null>;
  about: FigureView[];
  matrices: MatricesView;
  pairs: ClassPairDiagnosisView[];
  notes: string[];
  differences?: Record<string, number | null>;
  changes?: ChangesView | null;
}

interface PairEntryView {
  i: number;
  j: number;
  similarity: number;
  shared: number;
  classes: number[] | null;
}

interface PairListView {
  total: number;
  offset: number;
  pairs: PairEntryView[];
  sprite: SpriteView | null;
}

interface PairSideView {
  row: number;
  id: string;
  split: string;
  candidates: number[];
  votes: VoteView[];
  fields: Record<string, any>;
  tags: string[];
  truth_known: boolean;
  truth?: number;
  belief: Record<string, number> | null;
  neighbours: NearView;
}

interface PairSimilarityView {
  run: number;
  name: string;
  similarity: number;
  threshold: number;
  entangled: boolean;
  predicted: number[];
}

interface PairSummaryView {
  mining: number;
  features: string;
  features_description: string;
  label_source: string;
  threshold: number;
  floor: number;
  quantile: number | null;
  split: string | null;
  n_pairs: number;
  n_found: number;
  n_kept: number;
  n_instances: number;
  n_searched: number;
  n_cross: number;
  method: string;
  recall: number | null;
  seconds: number;
  stale: boolean;
  version_hash: string;
  created_at: string;
  classes: number[];
  counts: number[][];
  sharing: number[][];
  n_unknown: number;
  histogram: HistogramView;
}

interface PairView {
  similarity: number;
  closer_than: number | null;
  shared: number[];
  classes: number[] | null;
  same_label: boolean | null;
  label_source: string;
  sharing: number | null;
  in_list: boolean;
  sides: PairSideView[];
}

interface PersonView {
  who: string;
  actions: number;
  seconds: number | null;
}

interface PresetView {
  name: string;
  help: string;
  method: string | null;
  backbone: string | null;
  config: Record<string, any>;
  settings: Record<string, any>;
}

interface PromptRowView {
  name: string;
  description: string;
  prompt: string;
  is_cut: boolean;
}

interface PromptsView {
  number: number;
  template: string;
  rows: PromptRowView[];
  versions: Record<string, any>[];
}

interface QueueView {
  id: number;
  order: string;
  title: string;
  says: string;
  settings: Record<string, any>;
  overlap: number;
  is_complete: boolean;
  created_by: string;
  items: number;
  done: number;
  passed: number;
  mine: number;
  in_hand: number;
}

interface ReliabilityView {
  class: number;
  name: string;
  reliability: BinsView | null;
}

interface ReliablePersonView {
  who: string;
  n_votes: number;
  accuracy: number | null;
  low: number | null;
  high: number | null;
  rating: number | null;
}

interface ReportColumnsView {
  epoch: number[];
  values: Record<string, (number | null)[]>;
}

interface RowHistoryView {
  actions: ActionView[];
}

interface RowsView {
  total: number;
  offset: number;
  rows: number[];
  ids: string[];
  candidates: number[][];
  similarity: number[] | null;
  sprite: SpriteView | null;
}

interface RunEntryView {
  approximated_accuracy: number | null;
  mean_confidence: number | null;
  covering_rate: number | null;
  set_likelihood: number | null;
  test_accuracy: number | null;
  entangled_accuracy: number | null;
  disambiguation: number | null;
  id: number;
  name: string;
  dataset: string;
  method: string;
  backbone: string;
  start: string;
  seed: number;
  epochs: number;
  epochs_done: number;
  status: string;
  job: number | null;
  created_at: string;
  seconds: number | null;
  samples_per_second: number | null;
  epochs_in_force: number | null;
  note: string;
  is_bundled: boolean;
  group: GroupView | null;
  data_version: string;
  data_number: number | null;
  is_stale: boolean;
  model_bytes: number | null;
}

interface RunView {
  approximated_accuracy: number | null;
  mean_confidence: number | null;
  covering_rate: number | null;
  set_likelihood: number | null;
  test_accuracy: number | null;
  entangled_accuracy: number | null;
  disambiguation: number | null;
  id: number;
  name: string;
  dataset: string;
  method: string;
  backbone: string;
  start: string;
  seed: number;
  epochs: number;
  epochs_done: number;
  status: string;
  job: number | null;
  created_at: string;
  seconds: number | null;
  samples_per_second: number | null;
  epochs_in_force: number | null;
  note: string;
  is_bundled: boolean;
  group: GroupView | null;
  data_version: string;
  data_number: number | null;
  is_stale: boolean;
  model_bytes: number | null;
  config: Record<string, any>;
  settings: Record<string, any>;
  environment: Record<string, any>;
  features: string;
  last: Record<string, any> | null;
  best: Record<string, any> | null;
  error: string | null;
  message: string;
  fraction: number;
  seconds_left: number | null;
  is_removed: boolean;
}

interface RunsView {
  runs: RunEntryView[];
  trash: TrashView;
  groups: GroupFiguresView[];
}

interface SampleAnswerView {
  run: number;
  name: string;
  predicted: number;
  confidence: number;
  best: number;
  believed: number;
  top: number[][];
  neighbours: DiagnosedNearView;
}

interface SearchFoundView {
  features: string;
  rows: number[];
  ids: string[];
  similarity: number[];
}

interface SearchStateView {
  is_ready: boolean;
  features: string;
  says: string;
}

interface SearchView {
  words: string[];
  pictures: string[];
  how: string;
  state: SearchStateView | null;
}

interface SelectionView {
  id: number;
  dataset_id: number;
  title: string;
  source: string;
  n_rows: number;
  created_by: string;
  created_at: string;
}

interface SelectionsView {
  selections: SelectionView[];
}

interface SetModelView {
  uses_true_labels: boolean;
  classes: number[];
  n_classes: number;
  n_samples: number;
  table: number[][];
  weight: number[];
}

interface SettingView {
  name: string;
  label: string;
  type: string;
  optional: boolean;
  default: any;
  required: boolean;
  help: string;
  minimum: number | null;
  maximum: number | null;
  choices: any[] | null;
  suggestions: string[] | null;
  advanced: boolean;
}

interface SliceView {
  value: string;
  condition: string | null;
  n: number;
  n_known: number;
  accuracy: number | null;
  covering_rate: number;
  confidence: number;
  suspects: number | null;
}

interface SlicesView {
  field: string;
  split: string;
  by_truth: boolean;
  slices: SliceView[];
}

interface SpriteView {
  url: string;
  columns: number;
  px: number;
  lines: number;
}

interface StandingAnswersView {
  n: number;
  suspects: number | null;
}

interface StandingDataView {
  n: number;
  k: number;
  has_images: boolean;
  mean_candidates: number;
  rows: number[];
  sprite?: SpriteView | null;
}

interface StandingEarlierView {
  id: number;
  name: string;
  version: number;
}

interface StandingPairsView {
  id: number;
  n: number;
  n_instances: number;
  version: number | null;
  first: PairEntryView | null;
  names: string[];
  sprite?: SpriteView | null;
}

interface StandingRunView {
  id: number;
  name: string;
  method: string;
  test_accuracy: number | null;
  set_likelihood: number | null;
  seconds: number | null;
  version: number | null;
  changes: number;
  is_ready: boolean;
}

interface StandingView {
  name: string;
  version: number;
  changes: number;
  next: string;
  data: StandingDataView;
  pairs: StandingPairsView | null;
  run: StandingRunView | null;
  earlier: StandingEarlierView | null;
  answers: StandingAnswersView;
}

interface StateView {
  datasets: DatasetEntryView[];
  jobs: JobView[];
  read_only: boolean;
  is_closed: boolean;
  space: string;
  login: string | null;
  hub_login: boolean;
}

interface StepView {
  number: number;
  kind: string;
  rows: number[];
  n_rows: number;
  item: (number | null)[] | null;
}

interface SuggestedView {
  class: number;
  share: number;
  prompt: string;
}

interface SuggestionsView {
  belief: Record<string, number>;
  features: string;
  model: ModelBeliefView | null;
}

interface SuspectView {
  kind: string;
  row: number;
  id: string;
  score: number;
  reason: string;
  label: string | null;
  other: number | null;
  candidates?: number[];
}

interface SuspectsView {
  known: boolean;
  n?: number;
  features?: string;
  version?: string;
  judge?: JudgedView;
  found_on?: number | null;
  counts?: Record<string, number>;
  by_run?: number | null;
  is_weak?: boolean;
  answered?: number;
  kind?: string;
  listed?: number;
  offset?: number;
  suspects?: SuspectView[];
  rows?: number[];
  by_label?: Record<string, number>;
  sprite?: SpriteView | null;
}

interface TagView {
  name: string;
  n: number;
}

interface TilesView {
  rows: number[];
  ids: string[];
  candidates: number[][];
  best: number[];
  predicted: number[];
  believed: number[];
  right: (boolean | null)[];
  sprite: SpriteView | null;
}

interface TrainingDatasetView {
  name: string;
  kind: string;
  n_train: number;
  n_test: number;
  version_number: number;
}

interface TrainingFormView {
  dataset: TrainingDatasetView;
  methods: MethodView[];
  config: SettingView[];
  backbones: string[];
  backbone: string;
  features: string[];
  presets: PresetView[];
  preset: string;
  method: string;
  has_cluster: boolean;
}

interface TrashView {
  n: number;
  bytes: number;
}

interface TrialView {
  cards: CardView[];
}

interface TrialWorthView {
  n: number;
  settled: number;
  before: number | null;
  after: number | null;
  simulated: number | null;
  simulated_n: number;
}

interface UsageView {
  text: string;
}

interface VoteView {
  annotator: string;
  label: number;
  weight: number;
}

interface ZeroShotView {
  is_ready: boolean;
  says: string;
  features: string;
  classes: SuggestedView[];
}

interface cad_studio__views__comparison__SpreadView {
  n: number;
  mean: number | null;
  sd: number | null;
}

interface cad_studio__views__training__SpreadView {
  mean: number;
  sd: number | null;
}

type Answer<Path extends string> =
  Path extends `/datasets/${string}/minings/${string}/agreement/${string}` ? MiningAgreementView :
  Path extends `/datasets/${string}/minings/${string}/pair/${string}` ? PairView :
  Path extends `/annotate/${string}/queues/${string}/items/${string}` ? CardView :
  Path extends `/datasets/${string}/minings/${string}/pairs` ? PairListView :
  Path extends `/datasets/${string}/co-occurrence` ? CoOccurrenceView :
  Path extends `/diagnosis/${string}/entanglement` ? EntanglementView :
  Path extends `/annotate/${string}/suggestions/${string}` ? SuggestionsView :
  Path extends `/diagnosis/${string}/reliability` ? ReliabilityView :
  Path extends `/annotate/${string}/trial/worth` ? TrialWorthView :
  Path extends `/augment/sets/${string}/gallery` ? GalleryView :
  Path extends `/datasets/${string}/neighbours/${string}` ? NearView :
  Path extends `/datasets/${string}/search/rows` ? SearchFoundView :
  Path extends `/annotate/${string}/selections` ? SelectionsView :
  Path extends `/datasets/${string}/zero-shot/${string}` ? ZeroShotView :
  Path extends `/diagnosis/${string}/instance/${string}` ? DiagnosedSampleView :
  Path extends `/training/runs/${string}/usage` ? UsageView :
  Path extends `/annotate/${string}/agreement` ? AgreementView :
  Path extends `/datasets/${string}/instance/${string}` ? InstanceView :
  Path extends `/datasets/${string}/set-model` ? SetModelView :
  Path extends `/diagnosis/${string}/overview` ? OverviewView :
  Path extends `/diagnosis/${string}/suspects` ? SuspectsView :
  Path extends `/annotate/${string}/history/${string}` ? RowHistoryView :
  Path extends `/datasets/${string}/minings/${string}` ? PairSummaryView :
  Path extends `/diagnosis/${string}/classes` ? ClassesView :
  Path extends `/diagnosis/${string}/colours` ? ColoursView :
  Path extends `/annotate/${string}/history` ? HistoryView :
  Path extends `/datasets/${string}/minings` ? MiningsView :
  Path extends `/diagnosis/compare` ? ComparisonView :
  Path extends `/diagnosis/${string}/fields` ? FieldsView :
  Path extends `/diagnosis/${string}/pair/${string}` ? DiagnosedPairView :
  Path extends `/diagnosis/${string}/slices` ? SlicesView :
  Path extends `/augment/${string}/prompts` ? PromptsView :
  Path extends `/datasets/${string}/search` ? SearchView :
  Path extends `/diagnosis/${string}/apart` ? CameApartView :
  Path extends `/diagnosis/${string}/tiles` ? TilesView :
  Path extends `/annotate/${string}/trial` ? TrialView :
  Path extends `/augment/${string}/offers` ? AugmentOffersView :
  Path extends `/diagnosis/${string}/rows` ? CellView :
  Path extends `/training/follow` ? FollowView :
  Path extends `/training/offers` ? TrainingFormView :
  Path extends `/annotate/${string}/card` ? CardView :
  Path extends `/annotate/${string}/live` ? LiveView :
  Path extends `/datasets/${string}/rows` ? RowsView :
  Path extends `/diagnosis/map/${string}` ? MapView :
  Path extends `/training/runs/${string}` ? RunView :
  Path extends `/augment/${string}/look` ? LookView :
  Path extends `/diagnosis/of/${string}` ? DiagnosedRunsView :
  Path extends `/training/runs` ? RunsView :
  Path extends `/annotate/${string}` ? AnnotateView :
  Path extends `/datasets/${string}` ? DatasetView :
  Path extends `/standing/${string}` ? StandingView :
  Path extends `/forms/${string}` ? FormView :
  Path extends `/alive` ? AliveView :
  Path extends `/jobs/${string}` ? JobView :
  Path extends `/state` ? StateView :
  any;
