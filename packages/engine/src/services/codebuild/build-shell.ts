import { UserError } from '../../errors.ts';
import type { BuildShell } from '../../runtime/build/shell-session.ts';

/**
 * What `sh` is in the image of a project.
 *
 * AWS's Amazon Linux images are made from `amazonlinux`, where /bin/sh is bash in POSIX mode; its `standard` images
 * are made from `ubuntu`, where it is dash (https://github.com/aws/aws-codebuild-docker-images: `al/` and `ubuntu/`).
 * Other images are not looked into.
 */
export function shOfImage(image: string): 'bash' | 'dash' | undefined {
  if (/amazonlinux|(^|[/:-])al20\d\d/.test(image)) return 'bash';
  if (/^aws\/codebuild\/|\/codebuild\/(standard|ubuntu)|(^|\/)(ubuntu|debian)(:|$)/.test(image))
    return 'dash';
  return undefined;
}

/**
 * The shell of this machine that runs a build, and a word about it where it may be another than in AWS.
 *
 * @param find - absolute path of a program of this machine
 */
export function chooseShell(
  asked: 'sh' | 'bash',
  image: string,
  find: (program: string) => string | undefined,
): { readonly shell: BuildShell; readonly notice?: string } {
  const bash = find('bash');
  const wanted = asked === 'bash' ? 'bash' : shOfImage(image);
  if (wanted === 'bash') {
    if (bash === undefined)
      throw new UserError(
        'NoShell',
        `The build runs in bash${asked === 'bash' ? '' : ` (it is the sh of ${image})`}, and this machine has none on its PATH. Install it.`,
      );
    return { shell: { command: asked === 'bash' ? [bash] : [bash, '--posix'], kind: 'bash' } };
  }
  const dash = wanted === 'dash' ? find('dash') : undefined;
  if (dash !== undefined) return { shell: { command: [dash], kind: 'posix' } };
  return {
    shell: { command: ['/bin/sh'], kind: 'posix' },
    notice:
      wanted === 'dash'
        ? `The sh of ${image} is dash, which this machine does not have: the commands run in its /bin/sh.`
        : `The sh of ${image} is not known: the commands run in /bin/sh of this machine. Set env.shell to bash for what needs bash.`,
  };
}
