/* Keeps the parts marked `data-live` true without a reload: asks for this very page again and takes those parts over.
   Stops while the page is hidden, while someone types in a part, and when the session has ended. */
(() => {
  const EVERY_MS = 5000;
  // a form's token is masked anew in every answer, which is no news
  const news = (part) => part.innerHTML.replace(/name="csrfmiddlewaretoken" value="[^"]*"/g, "");
  const parts = () => document.querySelectorAll("[data-live][id]");

  async function refresh() {
    if (document.hidden || !parts().length) return;
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of parts()) {
      const next = fresh.getElementById(part.id);
      if (next && !part.contains(document.activeElement) && news(next) !== news(part)) part.replaceWith(next);
    }
  }

  setInterval(() => refresh().catch(() => {}), EVERY_MS);
})();
