/** Milliseconds after which a link's ID has no effect: a link that was copied and sent to a friend must join nobody. */
const FRESH = 120_000;

/** The ID in the parameter `_bs` of this page's address, which is taken off so that nobody copies it. */
export const arrivedWith = (): string | undefined => {
  const url = new URL(location.href);
  const [id, moment] = (url.searchParams.get('_bs') || '').split('.');
  if (!id) return undefined;
  url.searchParams.delete('_bs');
  history.replaceState(history.state, '', url);
  return Math.abs(Date.now() - parseInt(moment!, 36)) < FRESH ? id : undefined;
};

/** Adds a new ID, which `follow` makes known to the collector, to each link to `domains` that is followed. */
export const decorate = (domains: string[], follow: () => string | undefined): void => {
  const clicked = (event: Event) => {
    const link = (event.target as Element).closest?.<HTMLAnchorElement>('a[href]');
    const host = link?.hostname;
    if (!host || host === location.hostname) return;
    const id = domains.some((domain) => ('.' + host).endsWith('.' + domain)) && follow();
    if (!id) return;
    const url = new URL(link.href);
    url.searchParams.set('_bs', id + '.' + Date.now().toString(36));
    link.href = url.href;
  };
  addEventListener('click', clicked, true);
  addEventListener('auxclick', clicked, true);
};
