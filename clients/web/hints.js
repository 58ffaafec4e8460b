/** Say what is nearly there: "one more and the third is free", from what the server explains. */

import { micros, money } from "./money.js";
import { localized, ordinal, t } from "./words.js";

const WHOLE_MICROS = 1_000_000n;

/**
 * Return hints for a basket, each with the id of its campaign and its words.
 *
 * Only what is at least half-way is hinted at: nobody wants eleven more of something.
 */
export function hints(evaluated, campaigns) {
  return (evaluated.explanations ?? []).flatMap((explanation) => {
    const campaign = campaigns.get(explanation.id);
    if (!campaign) return [];
    const words = hint(explanation, campaign, evaluated);
    return words ? [{ id: explanation.id, words }] : [];
  });
}

function hint(explanation, campaign, evaluated) {
  const name = localized(campaign.displayName);
  if (explanation.reason === "CAMPAIGN_EXPLANATION_REASON_SPEND_NOT_MET") {
    const missing = micros(explanation.missingAmountMicros);
    if (missing <= 0n || missing > micros(evaluated.totalMicros)) return "";
    return t("hint.spend", { amount: money(missing, evaluated.currencyCode), name });
  }
  if (explanation.reason !== "CAMPAIGN_EXPLANATION_REASON_COUNT_NOT_MET") return "";
  const asked = countOf(campaign.trigger ?? {});
  const missing = explanation.missingCount ?? 0;
  if (!missing || missing * 2 > asked) return "";
  const isFree =
    missing === 1 &&
    campaign.target?.cheapestCount === 1 &&
    micros(campaign.effect?.percentageMicros) === WHOLE_MICROS;
  if (isFree) return t("hint.free", { ordinal: ordinal(asked), name });
  return missing === 1 ? t("hint.one", { name }) : t("hint.more", { count: missing, name });
}

/** Return how many units set a campaign off. */
function countOf(trigger) {
  const parts = trigger.bundle?.parts ?? [];
  return (
    trigger.count?.count ??
    trigger.countOrMore?.count ??
    parts.reduce((sum, part) => sum + part.count, 0)
  );
}
