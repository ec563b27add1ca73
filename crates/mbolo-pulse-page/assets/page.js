(()=>{
const d=document,$=i=>d.getElementById(i),root=d.documentElement,lang=root.lang;
const rel=new Intl.RelativeTimeFormat(lang),near={hour:'2-digit',minute:'2-digit'};
const far={...near,day:'numeric',month:'long',year:'numeric'};
const put=(e,t)=>{if(e&&e.textContent!==t)e.textContent=t};
let ahead=0;
const clock=()=>Date.now()+ahead;
const times=()=>{
  const played=d.body.dataset.now;
  if(played){ahead=played*1e3-Date.now();delete d.body.dataset.now}
  for(const t of d.querySelectorAll('time[data-r]')){
    const s=Math.max(0,(clock()-Date.parse(t.dateTime))/1e3);
    const u=s<90?[s,'second']:s<5400?[s/60,'minute']:s<172800?[s/3600,'hour']:[s/86400,'day'];
    put(t,rel.format(-Math.round(u[0]),u[1]));
  }
  for(const t of d.querySelectorAll('time[data-l]:not([title])')){
    t.title=t.textContent;
    const day=t.dataset.l==='d';
    put(t,(day&&lang==='fr'?'le ':'')+new Date(t.dateTime).toLocaleString(lang==='en'?'en-GB':lang,day?far:near));
  }
  put($('zone'),Intl.DateTimeFormat().resolvedOptions().timeZone);
  if(clock()/1e3>d.body.dataset.validUntil){root.classList.add('stale');const s=$('stale');if(s){s.hidden=false;if(s.dataset.text)put(s,s.dataset.text)}}
};
const show=async url=>{
  const r=await fetch(url,{headers:{accept:'text/html'}});
  if(!r.ok)throw r.status;
  const next=new DOMParser().parseFromString(await r.text(),'text/html'),main=next.getElementById('main');
  if(!main)throw 0;
  const open=[...d.querySelectorAll('details[open]')].map(e=>e.id),said=$('answer')&&$('answer').textContent;
  const held=d.activeElement.closest('main details');
  $('main').replaceWith(main);
  for(const id of open)if($(id))$(id).open=true;
  if(held&&$(held.id))$(held.id).firstElementChild.focus({preventScroll:true});
  const html=next.documentElement;
  root.className=html.className;
  Object.assign(root.dataset,html.dataset);
  d.title=next.title;
  Object.assign(d.body.dataset,next.body.dataset);
  times();
  const now=$('answer')&&$('answer').textContent;
  if(now&&now!==said)put($('announce'),now);
};
const busy=()=>d.hidden||/^(INPUT|TEXTAREA|SELECT|BUTTON)$/.test(d.activeElement.tagName)||d.querySelector('[data-sending]')
  ||[...$('main').querySelectorAll('textarea,input:not([type=hidden])')].some(e=>e.value);
if('live' in d.body.dataset)setInterval(()=>{busy()||show(location.pathname+location.search.replace(/[?&]notice=[^&]*/,'').replace(/^&/,'?')).catch(()=>{})},3e4);
setInterval(times,1e4);
times();
const solve=async(text,bits)=>{
  const enc=new TextEncoder();
  for(let from=0;;from+=256){
    const hit=(await Promise.all(Array.from({length:256},async(_,i)=>{
      const h=new DataView(await crypto.subtle.digest('SHA-256',enc.encode(text+':'+(from+i))));
      const z=Math.clz32(h.getUint32(0));
      return (z<32?z:32+Math.clz32(h.getUint32(4)))>=bits;
    }))).indexOf(true);
    if(hit>=0)return String(from+hit)
  }
};
d.addEventListener('submit',async e=>{
  const f=e.target,b=e.submitter;
  if(f.id!=='report'||!b||!crypto.subtle)return;
  e.preventDefault();
  const state=$('report-state'),service=f.dataset.service,problem=b.dataset.problem;
  const lock=on=>{for(const x of f.querySelectorAll('button'))x.disabled=on};
  f.dataset.sending='';
  lock(true);
  put(state,f.dataset.busy);
  try{
    const {challenge,bits}=await(await fetch(f.dataset.challenge+'?service='+service+'&problem='+problem)).json();
    const nonce=await solve(challenge,bits);
    const r=await fetch(f.action,{method:'POST',headers:{'content-type':'application/json'},body:JSON.stringify({service,problem,challenge,nonce})});
    const q=new URLSearchParams(location.search);
    q.set('notice',r.ok?'report-thanks':{409:'reported-before',429:'too-many',503:'not-stored'}[r.status]||'form-expired');
    await show(location.pathname+'?'+q);
    $('main').focus({preventScroll:true});
    put($('announce'),(d.querySelector('.banner')||state).textContent);
    scrollTo({top:0});
  }catch(x){
    delete f.dataset.sending;
    lock(false);
    put(state,f.dataset.failed);
  }
});
})();
